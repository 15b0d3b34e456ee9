// The root under faults: what cannot be closed hinders nothing else.
import { expect, onTestFinished, test, vi } from 'vitest';
import { createApp } from '../src/app.js';
import { loadConfig } from '../src/config.js';
import { silentLog } from '../src/log.js';
import { refusalOf } from './helpers/errors.js';
import { createTestApp, helloHome, temporaryFolder, testSecret, writeFiles } from './helpers/test-app.js';

async function createServe(settings: Record<string, string> = {}) {
  const home = temporaryFolder();
  writeFiles(home, helloHome);
  const { PATH } = process.env;
  const config = loadConfig(home, { PATH, PORT: '0', MCP_SECRET: testSecret, ...settings });
  const app = await createApp({ config, kind: 'serve', log: silentLog });
  onTestFinished(() => app.stop().catch(() => {}));
  return app;
}

test('where leaving fails, the port is closed, the worker ended and the store closed all the same, and the fault is told', async () => {
  const app = await createServe();
  await app.start();
  const { address } = app;
  const { store } = app.dispatcher;
  const fault = new Error('the database is busy');
  vi.spyOn(store.ledger, 'leave').mockRejectedValue(fault);
  await expect(app.stop()).rejects.toBe(fault);
  expect(app.workerState).toBe('off');
  await expect(fetch(`${address}/health`)).rejects.toThrow();
  expect((await refusalOf(() => store.now())).code).toBe('shutting_down');
});

test('a start that failed tells why, also where something cannot be closed afterwards', async () => {
  const first = await createTestApp({ noWorker: true });
  const app = await createServe({ PORT: new URL(first.address ?? '').port });
  const { store } = app.dispatcher;
  const close = store.close;
  vi.spyOn(store, 'close').mockImplementation(async () => {
    await close();
    throw new Error('the disk is gone');
  });
  expect((await refusalOf(() => app.start())).code).toBe('port_in_use');
});

test('a worker alone tells people the page of a doe serve with these settings, while none lives', async () => {
  const page = async (settings: Record<string, string>) => {
    const { dispatcher } = await createTestApp({ kind: 'worker', noWorker: true, settings });
    return dispatcher.approveUrl('a');
  };
  expect(await page({ PORT: '4000' })).toBe('http://127.0.0.1:4000/ui/approvals/a');
  expect(await page({ PORT: '4000', HOST: '10.0.0.5' })).toBe('http://10.0.0.5:4000/ui/approvals/a');
  expect(await page({ PORT: '4000', HOST: '0.0.0.0' })).toBe('http://127.0.0.1:4000/ui/approvals/a');
  expect(await page({ PORT: '0' })).toBe('http://127.0.0.1:3001/ui/approvals/a');
});
