import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isoTime } from '../../src/clock.js';
import { DispatcherError } from '../../src/errors.js';
import type { LogFields } from '../../src/log.js';
import { silentLog } from '../../src/log.js';
import { cancelTask, pause, resume } from '../../src/tools/index.js';
import { createWorker } from '../../src/worker/index.js';
import { createTestApp, createTestClock, type TestApp, temporaryFolder } from '../helpers/test-app.js';
import { approve, createJob, createJobApp, jobHome, logOf, runJob, untilLogged } from '../helpers/worker-home.js';

const held = 'echo ready; while [ ! -e "go-$1" ] && [ ! -e go ]; do sleep 0.02; done';
const running = async (app: TestApp) => (await app.dispatcher.store.tasks.leases()).map(({ taskId }) => taskId).sort();

/** Lets the worker look once more, and whatever it finds begin. */
async function afterAnotherLook(app: TestApp) {
  const probe = await runJob(app, { task_type: 'probe', project_id: 'probe' });
  expect(probe.status).toBe('succeeded');
}

const limitedHome = (frontMatter: string) => ({
  ...jobHome(held, frontMatter),
  'directives/probe.md': '---\ntitle: Probe\n---\n',
  'execution/probe.sh': 'exit 0',
});

test('of one task type no more run at once than its directive says', async () => {
  const app = await createTestApp({ files: limitedHome('concurrency: 2') });
  for (const task_id of ['a', 'b', 'c']) {
    await createJob(app, { task_id });
    await approve(app, task_id);
  }
  for (const task_id of ['a', 'b']) await untilLogged(app, task_id, /^ready$/);
  await afterAnotherLook(app);
  expect(await running(app)).toEqual(['a', 'b']);
  app.write({ 'go-a': '' });
  await untilLogged(app, 'c', /^ready$/);
  app.write({ go: '' });
  await app.until('c', 'succeeded');
});

test('of one project no more run at once than the setting says, while other projects go on', async () => {
  const app = await createTestApp({ files: limitedHome(''), settings: { DOE_PROJECT_CONCURRENCY: '1' } });
  for (const [task_id, project_id] of [
    ['a', 'p1'],
    ['b', 'p1'],
    ['c', 'p2'],
  ] as const) {
    await createJob(app, { task_id, project_id });
    await approve(app, task_id);
  }
  await untilLogged(app, 'c', /^ready$/);
  await afterAnotherLook(app);
  expect(await running(app)).toEqual(['a', 'c']);
  app.write({ 'go-a': '' });
  await untilLogged(app, 'b', /^ready$/);
  app.write({ go: '' });
  await app.until('b', 'succeeded');
});

test('one worker runs no more at once than DOE_CONCURRENCY', async () => {
  const app = await createJobApp(held, { settings: { DOE_CONCURRENCY: '2' } });
  for (const task_id of ['a', 'b', 'c']) {
    await createJob(app, { task_id });
    await approve(app, task_id);
  }
  for (const task_id of ['a', 'b']) await untilLogged(app, task_id, /^ready$/);
  expect((await app.dispatcher.store.tasks.get('c'))?.status).toBe('queued');
  app.write({ 'go-b': '' });
  await untilLogged(app, 'c', /^ready$/);
  app.write({ go: '' });
  await app.until('c', 'succeeded');
});

test('the more urgent goes first, then the older', async () => {
  const app = await createJobApp('echo "$1" >> order', { settings: { DOE_CONCURRENCY: '1' } });
  await app.call(pause, {});
  for (const [task_id, priority] of [
    ['low', -1],
    ['first', 0],
    ['second', 0],
    ['high', 5],
  ] as const) {
    await createJob(app, { task_id, priority });
    await approve(app, task_id);
  }
  await app.call(resume, {});
  await app.until('low', 'succeeded');
  const { readFileSync } = await import('node:fs');
  expect(readFileSync(join(app.home, 'order'), 'utf8')).toBe('high\nfirst\nsecond\nlow\n');
});

test('a task with a later time waits for it', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 0', { clock, settings: { DOE_POLL_MS: '50' } });
  await createJob(app, { task_id: 'later', run_after: isoTime(clock.now() + 60_000) });
  await approve(app, 'later');
  expect((await runJob(app)).status).toBe('succeeded');
  expect((await app.dispatcher.store.tasks.get('later'))?.status).toBe('queued');
  clock.advance(60_000);
  await app.until('later', 'succeeded');
});

test('pause lets no run start anywhere on the home, and resume does', async () => {
  const app = await createJobApp('exit 0');
  await app.call(pause, {});
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  const second = await createTestApp({ home: app.home, files: {}, kind: 'worker' });
  expect(await second.dispatcher.store.tasks.claim({ processId: 'other', leaseMs: 1000 })).toBeNull();
  expect((await app.dispatcher.store.tasks.get(task_id))?.status).toBe('queued');
  await app.call(resume, {});
  await app.until(task_id, 'succeeded');
});

test('stop gives running scripts their grace and returns when nothing runs', async () => {
  const app = await createJobApp(held);
  const { task_id } = await createJob(app, { task_id: 'a' });
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  const reader = await createTestApp({ home: app.home, files: {}, kind: 'command', start: false });
  const stopped = app.stop({ graceMs: 20_000 });
  writeFileSync(join(app.home, 'go'), '');
  await stopped;
  expect(await reader.dispatcher.store.tasks.get(task_id)).toMatchObject({ status: 'succeeded', runId: null });
});

test('stop ends scripts that outlast the grace, as interrupted: repeated only where the directive says so', async () => {
  for (const [frontMatter, status] of [
    ['', 'needs_anneal'],
    ['retry: { count: 1, on_interrupt: true }', 'queued'],
  ] as const) {
    const app = await createJobApp(`trap 'touch ended; exit 0' TERM; ${held}`, { frontMatter });
    const { task_id } = await createJob(app);
    await approve(app, task_id);
    await untilLogged(app, task_id, /^ready$/);
    const reader = await createTestApp({ home: app.home, files: {}, kind: 'command', start: false });
    await app.stop({ graceMs: 0 });
    expect(await reader.dispatcher.store.tasks.get(task_id)).toMatchObject({
      status,
      outcome: 'interrupted',
      runId: null,
    });
    expect((await logOf(reader, task_id)).at(-1)).toContain('interrupted');
  }
});

test('a worker in a doe mcp stands back while another worker lives, and takes over when that one leaves', async () => {
  const home = temporaryFolder();
  const settings = { DOE_LEASE_MS: '500', DOE_POLL_MS: '50' };
  const serve = await createTestApp({ home, files: jobHome('exit 0'), settings });
  const mcp = await createTestApp({ home, files: {}, settings, kind: 'mcp' });
  for (let n = 0; n < 3; n++) {
    const task = await runJob(serve);
    const [run] = await serve.dispatcher.store.tasks.runs(task.id);
    const processes = await serve.dispatcher.store.ledger.processes();
    expect(processes.find(({ id }) => id === run?.processId)?.kind).toBe('serve');
  }
  expect(mcp.workerState).toBe('standby');
  await serve.stop();
  const task = await runJob(mcp);
  expect(task.status).toBe('succeeded');
  expect(mcp.workerState).toBe('on');
});

test('two workers on one home run each task once', async () => {
  const home = temporaryFolder();
  const one = await createTestApp({ home, files: jobHome('echo "$1" >> order') });
  await createTestApp({ home, files: {}, kind: 'worker' });
  const ids = Array.from({ length: 20 }, (_, index) => `t${index}`);
  await Promise.all(
    ids.map(async (task_id) => {
      await createJob(one, { task_id });
      await approve(one, task_id);
    }),
  );
  for (const id of ids) await one.until(id, 'succeeded');
  const { readFileSync } = await import('node:fs');
  expect(readFileSync(join(home, 'order'), 'utf8').trim().split('\n').sort()).toEqual([...ids].sort());
});

test('while the store cannot be written the worker pauses and says so once; it resumes by itself', async () => {
  const said: string[] = [];
  const log = {
    ...silentLog,
    error: (event: string) => said.push(event),
    info: (event: string, _fields?: LogFields) => said.push(event),
  };
  const app = await createJobApp('exit 0', { noWorker: true, settings: { DOE_POLL_MS: '50' } });
  const { store } = app.dispatcher;
  let full = true;
  let refused = 0;
  const whileFull =
    <Args extends unknown[], Value>(move: (...args: Args) => Promise<Value>) =>
    async (...args: Args): Promise<Value> => {
      if (!full) return move(...args);
      refused += 1;
      throw new DispatcherError('store_unavailable', 'The database cannot be written: the disk is full or fails.');
    };
  const dispatcher = {
    ...app.dispatcher,
    log,
    store: {
      ...store,
      tasks: { ...store.tasks, claim: whileFull(store.tasks.claim) },
      ledger: { ...store.ledger, beat: whileFull(store.ledger.beat) },
    },
  };
  const worker = createWorker({
    dispatcher,
    processId: 'w',
    scriptUrl: () => 'http://127.0.0.1:9',
    leadable: async () => true,
  });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await worker.start();
  while (refused < 5) await new Promise((resolve) => setImmediate(resolve));
  expect(worker.state).toBe('standby');
  expect(said.filter((event) => event === 'worker.paused')).toHaveLength(1);
  full = false;
  await app.until(task_id, 'succeeded');
  expect(said).toContain('worker.resumed');
  await worker.stop({ graceMs: 0 });
});

test('one that stands back when the disk can be written again does not say that it takes tasks', async () => {
  const app = await createJobApp('exit 0', { noWorker: true, settings: { DOE_POLL_MS: '50' } });
  const { store } = app.dispatcher;
  let leads = true;
  const claim: typeof store.tasks.claim = async () => {
    leads = false;
    throw new DispatcherError('store_unavailable', 'The disk is full.');
  };
  let resume = () => {};
  const resumed = new Promise<void>((resolve) => (resume = resolve));
  const log = { ...silentLog, info: (event: string) => event === 'worker.resumed' && resume() };
  const dispatcher = { ...app.dispatcher, log, store: { ...store, tasks: { ...store.tasks, claim } } };
  const worker = createWorker({
    dispatcher,
    processId: 'w',
    scriptUrl: () => 'http://127.0.0.1:9',
    leadable: async () => leads,
  });
  await worker.start();
  await resumed;
  expect(worker.state).toBe('standby');
  await worker.stop({ graceMs: 0 });
});

test('a run that ends while the disk is full is settled once it can be', async () => {
  const app = await createJobApp('echo done > out', { noWorker: true, settings: { DOE_POLL_MS: '50' } });
  const { store } = app.dispatcher;
  let refusals = 3;
  const settle: typeof store.tasks.settle = async (settlement) => {
    if (refusals-- > 0) throw new DispatcherError('store_unavailable', 'The disk is full.');
    return store.tasks.settle(settlement);
  };
  const dispatcher = { ...app.dispatcher, store: { ...store, tasks: { ...store.tasks, settle } } };
  const worker = createWorker({
    dispatcher,
    processId: 'w',
    scriptUrl: () => 'http://127.0.0.1:9',
    leadable: async () => true,
  });
  await worker.start();
  const task = await runJob(app);
  expect(task).toMatchObject({ status: 'succeeded', attempts: 1 });
  await worker.stop({ graceMs: 0 });
});

test('a task that is cancelled before it starts never runs', async () => {
  const app = await createJobApp('touch ran');
  await app.call(pause, {});
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await app.call(cancelTask, { task_id });
  await app.call(resume, {});
  expect((await runJob(app)).status).toBe('succeeded');
  expect(await app.dispatcher.store.tasks.runs(task_id)).toEqual([]);
});
