// A queued task says why it stands still.
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { acknowledge, createTask, pause, resume, taskStatus } from '../../src/tools/index.js';
import { createTestApp, createTestClock, type TestApp } from '../helpers/test-app.js';

const files = {
  'directives/one.md': '---\nconcurrency: 1\n---\n# One at a time\n',
  'execution/one.sh': 'sleep 600\n',
};

async function queued(
  app: TestApp,
  task_id: string,
  more: { run_after?: string; project_id?: string } = {},
): Promise<void> {
  await app.call(createTask, { task_type: 'one', project_id: 'p', actor_id: 'me', task_id, ...more });
  await app.call(acknowledge, { task_id, actor_id: 'me' });
}

const reason = async (app: TestApp, task_id: string) => (await app.call(taskStatus, { task_id })).waits_for;

test('the home is paused, it is not time yet, or no worker is there; a task that waits for its ack says none of these', async () => {
  const app = await createTestApp({ files, noWorker: true });
  await queued(app, 'now');
  const later = new Date(app.dispatcher.clock.now() + 60_000).toISOString();
  await queued(app, 'later', { run_after: later });
  await app.call(createTask, { task_type: 'one', project_id: 'p', actor_id: 'me', task_id: 'asked' });
  expect(await reason(app, 'asked')).toBeNull();
  expect(await reason(app, 'now')).toContain('doe worker');
  expect(await reason(app, 'later')).toContain(later);
  await app.call(pause, {});
  expect(await reason(app, 'now')).toContain('doe resume');
  await app.call(resume, {});
  expect(await reason(app, 'now')).not.toContain('doe resume');
});

test('as many of its type run as its directive lets at once; the one that runs waits for nothing', async () => {
  const app = await createTestApp({ files });
  await queued(app, 'first');
  await app.until('first', 'running');
  await queued(app, 'second');
  expect(await reason(app, 'second')).toContain('at once: 1');
  expect(await reason(app, 'first')).toBeNull();
});

test('a worker that died, or has shown no sign of life for a lease, is none', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ files, noWorker: true, clock });
  await queued(app, 'now');
  const { ledger } = app.dispatcher.store;
  const about = { kind: 'worker', pidStart: null, address: null, worker: 'on', version: '1' } as const;
  await ledger.join({ ...about, id: 'killed', host: hostname(), pid: spawnSync('true').pid });
  expect(await reason(app, 'now')).toContain('doe worker');
  await ledger.join({ ...about, id: 'far', host: 'elsewhere', pid: 1 });
  expect(await reason(app, 'now')).toBeNull();
  const shown = async () => (await app.request('/metrics')).text();
  expect(await shown()).toContain('doe_processes{kind="worker",worker="on"} 1');
  clock.advance(30_000);
  expect(await reason(app, 'now')).toContain('doe worker');
  expect(await shown()).not.toContain('kind="worker"');
});

test('as many of its project run as DOE_PROJECT_CONCURRENCY lets; one of another project waits for nothing', async () => {
  const app = await createTestApp({
    files: { ...files, 'directives/one.md': '---\ntitle: Any number at a time\n---\n# Any number\n' },
    settings: { DOE_PROJECT_CONCURRENCY: '1' },
  });
  await queued(app, 'first');
  await app.until('first', 'running');
  await queued(app, 'second');
  expect(await reason(app, 'second')).toBe('As many of p run as DOE_PROJECT_CONCURRENCY lets at once: 1.');
  await queued(app, 'third', { project_id: 'q' });
  await app.until('third', 'running');
});
