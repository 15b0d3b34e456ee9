import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { createObserver } from '../../src/living.js';
import { cancelTask, validateAck } from '../../src/tools/index.js';
import { createWorker } from '../../src/worker/index.js';
import { processesOfRun } from '../../src/worker/process-group.js';
import { createRescue, endOrphans } from '../../src/worker/rescue.js';
import { command, event } from '../helpers/doe.js';
import { refusalOf } from '../helpers/errors.js';
import { createTestApp, createTestClock, operatorKey, type TestApp, testSecret } from '../helpers/test-app.js';
import { approve, createJob, jobHome, logOf, untilLogged, untilTrue } from '../helpers/worker-home.js';

const settings = { DOE_LEASE_MS: '500', DOE_POLL_MS: '50' };
const secrets = { MCP_SECRET: testSecret, MCP_API_KEY: operatorKey };

/** A worker in a process of its own, on the home of `app`. */
async function startWorker(app: TestApp): Promise<ChildProcess> {
  const child = spawn(process.execPath, [command(), 'worker', '--home', app.home], {
    env: { PATH: process.env.PATH, HOME: app.home, TMPDIR: tmpdir(), ...secrets, ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await event(child, 'worker.ready');
  return child;
}

const held =
  'echo "$2" > token; sleep 1000 & echo "pid $!"; echo "pid $$"; echo ready; while [ ! -e go ]; do sleep 0.02; done';

/** A home without a worker of its own, and a task that runs in another process. */
async function runningElsewhere(frontMatter = '') {
  const app = await createTestApp({ files: jobHome(held, frontMatter), settings, noWorker: true });
  const worker = await startWorker(app);
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  const runId = (await app.dispatcher.store.tasks.get(task_id))?.runId ?? '';
  return { app, worker, task_id, runId };
}

/** Stops a process, but not in the midst of a write: its lock would keep everybody else waiting. */
async function standStill({ home }: TestApp, worker: ChildProcess): Promise<void> {
  const database = new Sqlite(join(home, 'db.sqlite'), { timeout: 0 });
  onTestFinished(() => void database.close());
  for (let still = false; !still; ) {
    worker.kill('SIGSTOP');
    while (!/^State:\s+T/m.test(readFileSync(`/proc/${worker.pid}/status`, 'utf8'))) await setImmediate();
    try {
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
      still = true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'SQLITE_BUSY' });
      worker.kill('SIGCONT');
      await setImmediate();
    }
  }
}

async function endAtOnce(_app: TestApp, worker: ChildProcess): Promise<void> {
  const ended = once(worker, 'exit');
  worker.kill('SIGKILL');
  await ended;
}

const rescuer = (app: TestApp, clock = systemClock) =>
  createTestApp({ home: app.home, files: {}, settings, kind: 'worker', clock });

test('a killed worker’s run is found, its orphans are ended, and without leave it is not repeated', async () => {
  const { app, worker, task_id, runId } = await runningElsewhere();
  worker.kill('SIGKILL');
  expect(processesOfRun(runId).length).toBeGreaterThan(1);
  await rescuer(app);
  const task = await app.until(task_id, 'needs_anneal', 'queued', 'failed');
  expect(task).toMatchObject({ status: 'needs_anneal', outcome: 'interrupted', attempts: 1, runId: null });
  expect(processesOfRun(runId)).toEqual([]);
  expect((await logOf(app, task_id)).at(-1)).toBe('system Interrupted: its worker died while it ran.');
  const token = readFileSync(join(app.home, 'token'), 'utf8').trim();
  expect((await refusalOf(() => app.call(validateAck, { ack_token: token }))).code).toBe('token_spent');
  expect((await app.dispatcher.store.tasks.runs(task_id)).map(({ outcome }) => outcome)).toEqual(['interrupted']);
});

test('with on_interrupt the run is repeated under the same ack, and ends once', async () => {
  const { app, worker, task_id } = await runningElsewhere('retry: { count: 1, backoff_ms: 0, on_interrupt: true }');
  worker.kill('SIGKILL');
  app.write({ go: '' });
  await rescuer(app);
  const task = await app.until(task_id, 'succeeded', 'needs_anneal');
  expect(task).toMatchObject({ status: 'succeeded', attempts: 2 });
  expect((await app.dispatcher.store.tasks.runs(task_id)).map(({ outcome }) => outcome)).toEqual([
    'interrupted',
    'succeeded',
  ]);
  expect(await app.dispatcher.store.people.acks(task_id)).toHaveLength(1);
});

test('a killed worker’s run that was to be cancelled is cancelled', async () => {
  const { app, worker, task_id } = await runningElsewhere('retry: { count: 1, backoff_ms: 0, on_interrupt: true }');
  worker.kill('SIGKILL');
  await app.call(cancelTask, { task_id });
  await rescuer(app);
  expect(await app.until(task_id, 'cancelled', 'succeeded', 'needs_anneal')).toMatchObject({
    status: 'cancelled',
    outcome: 'cancelled',
  });
});

test('a worker that slept past its lease finds its task in other hands: it ends its script and settles nothing', async () => {
  const { app, worker, task_id, runId } = await runningElsewhere(
    'retry: { count: 1, backoff_ms: 0, on_interrupt: true }',
  );
  await standStill(app, worker);
  const second = await rescuer(app);
  await untilTrue(app, async () => (await app.dispatcher.store.tasks.runs(task_id)).length === 2);
  expect(processesOfRun(runId)).toEqual([]);
  worker.kill('SIGCONT');
  app.write({ go: '' });
  const task = await app.until(task_id, 'succeeded', 'needs_anneal');
  expect(task).toMatchObject({ status: 'succeeded', attempts: 2 });
  const runs = await app.dispatcher.store.tasks.runs(task_id);
  expect(runs.map(({ outcome }) => outcome)).toEqual(['interrupted', 'succeeded']);
  expect((await logOf(app, task_id)).filter((line) => line.startsWith('system succeeded'))).toHaveLength(1);
  await second.stop();
});

test('a lease taken by another worker makes the holder kill its script at once', async () => {
  const app = await createTestApp({ files: jobHome(`trap '' TERM; ${held}`), settings });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  const [lease] = await app.dispatcher.store.tasks.leases();
  if (lease === undefined) throw new Error('Nothing is leased.');
  const rival = { processId: 'rival', leaseMs: 60_000 };
  for (let { beat } = lease; !(await app.dispatcher.store.tasks.seize(lease.runId, beat, rival)); )
    beat = (await app.dispatcher.store.tasks.leases())[0]?.beat ?? 0;
  while (processesOfRun(lease.runId).length > 0) await setImmediate();
  expect(await app.dispatcher.store.tasks.get(task_id)).toMatchObject({ status: 'running', runId: lease.runId });
  expect((await app.dispatcher.store.tasks.run(lease.runId))?.finishedAt).toBeNull();
});

/** A run whose lease, of 30 s, nobody keeps alive, and what would find it. */
async function runOfSleeper(frontMatter: string) {
  const clock = createTestClock();
  const app = await createTestApp({
    files: jobHome('exit 0', frontMatter),
    clock,
    noWorker: true,
  });
  const { store } = app.dispatcher;
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  const { runId = '' } = (await store.tasks.claim({ processId: 'sleeper', leaseMs: 30_000 })) ?? {};
  await store.tasks.begin(runId, { host: hostname(), processId: 'sleeper', ack: null });
  const rescue = createRescue({
    dispatcher: app.dispatcher,
    processId: 'observer',
    random: () => 0,
    isOurs: () => false,
  });
  return { clock, store, task_id, runId, rescue };
}

test('a lease is dead only when it stood still for a lease by the observer’s own clock, however the wall clock jumps', async () => {
  const { clock, store, task_id, runId, rescue } = await runOfSleeper('retry: { count: 1, backoff_ms: 0 }');
  const status = async () => (await store.tasks.get(task_id))?.status;
  await rescue.sweep();
  clock.jump(3_600_000);
  await rescue.sweep();
  expect(await status()).toBe('running');
  clock.advance(29_999);
  await store.tasks.heartbeat('sleeper', [runId]);
  await rescue.sweep();
  clock.advance(29_999);
  clock.jump(-7_200_000);
  await rescue.sweep();
  expect(await status()).toBe('running');
  clock.advance(1);
  await rescue.sweep();
  expect(await status()).toBe('needs_anneal');
});

test('a clock that is set back does not shorten the backoff of a run that was found dead', async () => {
  const { clock, store, task_id, rescue } = await runOfSleeper(
    'retry: { count: 1, backoff_ms: 60000, on_interrupt: true }',
  );
  await rescue.sweep();
  clock.advance(30_000);
  clock.jump(-60 * 60_000);
  await rescue.sweep();
  const task = await store.tasks.get(task_id);
  expect(task?.status).toBe('queued');
  expect((task?.runAfter ?? 0) - (await store.now())).toBe(30_000);
});

test('a task that was claimed and never begun is given back, and its ack is as good as before', async () => {
  const app = await createTestApp({ files: jobHome('exit 0'), settings, noWorker: true });
  const { store } = app.dispatcher;
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await store.tasks.claim({ processId: 'gone', leaseMs: 500 });
  await rescuer(app);
  expect(await app.until(task_id, 'succeeded', 'awaiting_ack', 'needs_anneal')).toMatchObject({
    status: 'succeeded',
    attempts: 1,
  });
});

test('a script that started although its run is in other hands is ended at once', async () => {
  const app = await createTestApp({
    files: jobHome(held),
    settings: { ...settings, DOE_LEASE_MS: '600000' },
    noWorker: true,
  });
  const { store } = app.dispatcher;
  const robbed: typeof store.tasks.spawned = async () => false;
  const dispatcher = {
    ...app.dispatcher,
    store: { ...store, tasks: { ...store.tasks, spawned: robbed, settle: async () => null } },
  };
  const worker = createWorker({
    dispatcher,
    processId: 'w',
    scriptUrl: () => 'http://127.0.0.1:9',
    leadable: async () => true,
  });
  await worker.start();
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /lost its lease/);
  const [run] = await store.tasks.runs(task_id);
  expect(processesOfRun(run?.id ?? '')).toEqual([]);
  await worker.stop({ graceMs: 0 });
});

test('a process that died is forgotten, and its row goes', async () => {
  const { app, worker } = await runningElsewhere();
  const count = async () => (await app.dispatcher.store.ledger.processes()).length;
  expect(await count()).toBe(2);
  worker.kill('SIGKILL');
  await rescuer(app, { ...systemClock, monotonic: () => 20 * systemClock.monotonic() });
  await untilTrue(app, async () => (await count()) <= 2);
});

test.each([
  ['died', 0, endAtOnce],
  ['only stands still', 1, standStill],
] as const)('of a process that %s, %i folders of bytecode are left', async (_what, left, stop) => {
  const { app, worker, runId } = await runningElsewhere();
  onTestFinished(() => endOrphans({ id: runId, host: hostname(), pid: null, pidStart: null }));
  const { store } = app.dispatcher;
  const [row] = (await store.ledger.processes()).filter(({ pid }) => pid === worker.pid);
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`doe-bytecode-${row?.id}-`));
  expect(folders()).toHaveLength(1);
  await stop(app, worker);
  const clock = createTestClock();
  const { leaseMs } = app.dispatcher.config;
  const processes = createObserver({ ledger: store.ledger, leaseMs, clock });
  const dispatcher = { ...app.dispatcher, clock, processes };
  const rescue = createRescue({ dispatcher, processId: 'observer', random: () => 0, isOurs: () => false });
  // Its last beat may be on its way to the store at the first look.
  for (let looks = 0; looks < 3; looks++) {
    await rescue.tidy();
    clock.advance(10 * dispatcher.config.leaseMs);
  }
  expect((await store.ledger.processes()).map(({ id }) => id)).not.toContain(row?.id);
  expect(folders()).toHaveLength(left);
});
