import { describe, expect, test, vi } from 'vitest';
import { locateBridge } from '../../src/cli/locate-bridge.js';
import { loadConfig } from '../../src/config.js';
import { silentLog } from '../../src/log.js';
import { refusalOf } from '../helpers/errors.js';
import { send } from '../helpers/raw-http.js';
import { createTestApp, testSecret } from '../helpers/test-app.js';

describe('listening', () => {
  test('a port in use is named with the way out, and nothing is left running', async () => {
    const first = await createTestApp({ noWorker: true });
    const { port } = new URL(first.address ?? '');
    const second = await createTestApp({ noWorker: true, start: false, settings: { PORT: port } });
    const refusal = await refusalOf(() => second.start());
    expect(refusal).toMatchObject({ code: 'port_in_use', hint: expect.stringContaining('PORT=0') });
    expect(refusal.message).toContain(port);
    expect((await send(first, { path: '/health' })).json().home_id).toBe(await first.dispatcher.store.ledger.homeId());
    await expect(send(second, { path: '/health' })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('on localhost it tells the one address that it got, and proves that one', async () => {
    const app = await createTestApp({ noWorker: true, settings: { HOST: 'localhost' } });
    expect(app.address).toMatch(/^http:\/\/(127\.0\.0\.1|\[::1\]):\d+$/);
    const config = loadConfig(app.home, { MCP_SECRET: testSecret });
    expect(await locateBridge(config)).toMatchObject({ url: app.address });
  });

  test('on all addresses of both kinds it proves both of its own', async () => {
    const app = await createTestApp({ noWorker: true, start: false, settings: { HOST: '::' } });
    const fault = await app.start().catch((error: unknown) => error);
    // A machine without the newer kind says so.
    if (fault !== undefined) return expect(fault).toMatchObject({ code: 'config_invalid' });
    const { port } = new URL(app.address ?? '');
    for (const host of ['127.0.0.1', '[::1]']) {
      const config = loadConfig(app.home, { MCP_SECRET: testSecret, MCP_URL: `http://${host}:${port}` });
      expect((await locateBridge(config)).url).toBe(`http://${host}:${port}`);
    }
  });

  test('a host that cannot be listened on is named', async () => {
    const app = await createTestApp({ noWorker: true, start: false, settings: { HOST: 'no-such-host.invalid' } });
    expect(await refusalOf(() => app.start())).toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('HOST'),
    });
  });

  test.each(['MCP_API_KEY', 'MCP_AGENT_KEY'])(
    'beyond loopback a short %s is refused, on loopback it is only warned of',
    async (setting) => {
      const settings = { [setting]: 'key1' };
      const open = await createTestApp({ noWorker: true, start: false, settings: { ...settings, HOST: '0.0.0.0' } });
      expect(await refusalOf(() => open.start())).toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining(setting),
      });
      const log = { ...silentLog, warn: vi.fn() };
      const closed = await createTestApp({ noWorker: true, settings, log });
      expect(log.warn).toHaveBeenCalledWith('keys.short', expect.anything());
      expect(JSON.stringify(log.warn.mock.calls)).not.toContain('"key1"');
      expect((await send(closed, { path: '/tasks', headers: { 'X-API-Key': 'key1' } })).status).toBe(200);
    },
  );

  test('where it listens on all addresses, the names of this machine still count', async () => {
    const app = await createTestApp({ noWorker: true, settings: { HOST: '0.0.0.0' } });
    const { port } = new URL(app.address ?? '');
    expect(app.address).toBe(`http://127.0.0.1:${port}`);
    expect((await send(app, { path: '/health' })).status).toBe(200);
    const strange = await send(app, { path: '/health', headers: { Host: `0.0.0.0:${port}` } });
    expect([strange.status, strange.json().code]).toEqual([403, 'host_not_allowed']);
  });
});
