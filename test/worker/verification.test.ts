import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isoTime } from '../../src/clock.js';
import { cancelTask, pause, resume, validateAck } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { settlementOf } from '../helpers/store-fixtures.js';
import { createTestClock, type TestApp } from '../helpers/test-app.js';
import { approve, createJob, createJobApp, logOf, untilLogged, untilTrue } from '../helpers/worker-home.js';

const pathPayload = 'payload: { type: object, properties: { zip: { type: string, x-doe-path: true } } }';

/** Acknowledges while nothing may start, changes something, and lets the worker look. */
async function changedAfterAck(app: TestApp, change: () => void, payload: object = {}) {
  const { task_id, binding } = await createJob(app, { payload_json: payload });
  await app.call(pause, {});
  await approve(app, task_id);
  change();
  await app.call(resume, {});
  return { task: await app.until(task_id, 'awaiting_ack', 'succeeded', 'running'), binding };
}

test.each([
  ['the script', { 'execution/job.sh': 'touch ran; exit 0' }, /script/],
  ['a file that the script can load', { 'execution/lib.sh': 'new' }, /script/],
  ['the directive', { 'directives/job.md': `---\ntitle: Other\n${pathPayload}\n---\n` }, /directive/],
  ['a file that the payload names', { 'in.zip': 'other' }, /payload/],
  ['the directive, broken now', { 'directives/job.md': '---\noops: 1\n---\n' }, /oops/],
  [
    'the directive, which wants another payload now',
    { 'directives/job.md': '---\npayload: { type: object, required: [x] }\n---\n' },
    /payload/,
  ],
])('%s changed between ack and start: it awaits a fresh ack and nothing runs', async (_what, files, reason) => {
  const app = await createJobApp('touch ran', { frontMatter: pathPayload });
  app.write({ 'in.zip': 'one' });
  const { task } = await changedAfterAck(app, () => app.write(files as unknown as Record<string, string>), {
    zip: 'in.zip',
  });
  expect(task).toMatchObject({ status: 'awaiting_ack', ackId: null, assurance: null, attempts: 0 });
  expect(task.statusReason).toMatch(reason);
  expect(await app.dispatcher.store.tasks.runs(task.id)).toEqual([]);
  expect((await app.dispatcher.store.people.acks(task.id)).every(({ revokedAt }) => revokedAt !== null)).toBe(true);
});

test('the changed work is pinned anew, and runs once that is acknowledged', async () => {
  const app = await createJobApp('exit 1');
  const { task, binding } = await changedAfterAck(app, () => app.write({ 'execution/job.sh': 'exit 0' }));
  expect(task.pins.binding).not.toBe(binding);
  await approve(app, task.id);
  expect((await app.until(task.id, 'succeeded', 'needs_anneal')).status).toBe('succeeded');
});

test('a script that is missing at the start is named, and comes back with the file', async () => {
  const app = await createJobApp('exit 0');
  const { rmSync } = await import('node:fs');
  const { task } = await changedAfterAck(app, () => rmSync(join(app.home, 'execution/job.sh')));
  expect(task).toMatchObject({ status: 'awaiting_ack', statusReason: expect.stringContaining('job') });
});

test('an ack that expired before the first start starts nothing', async () => {
  const clock = createTestClock();
  const app = await createJobApp('touch ran', { clock, settings: { DOE_POLL_MS: '50' } });
  const { task_id } = await createJob(app);
  await app.call(pause, {});
  await approve(app, task_id);
  clock.advance(15 * 60_000);
  await app.call(resume, {});
  const task = await app.until(task_id, 'awaiting_ack', 'running', 'succeeded');
  expect(task).toMatchObject({ status: 'awaiting_ack', statusReason: expect.stringContaining('expired') });
  expect(await app.dispatcher.store.tasks.runs(task_id)).toEqual([]);
});

test('with a later run_after the 15 minutes begin there', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 0', { clock, settings: { DOE_POLL_MS: '50' } });
  const { task_id } = await createJob(app, { run_after: isoTime(clock.now() + 24 * 3_600_000) });
  await approve(app, task_id);
  clock.advance(24 * 3_600_000 + 14 * 60_000);
  expect((await app.until(task_id, 'succeeded', 'awaiting_ack')).status).toBe('succeeded');
});

test('a clock that is set back revives no expired ack', async () => {
  const clock = createTestClock();
  const app = await createJobApp('touch ran', { clock, settings: { DOE_POLL_MS: '50' } });
  const { task_id } = await createJob(app);
  await app.call(pause, {});
  await approve(app, task_id);
  clock.jump(3_600_000);
  await createJob(app);
  clock.jump(-3_600_000);
  await app.call(resume, {});
  expect((await app.until(task_id, 'awaiting_ack', 'running', 'succeeded')).status).toBe('awaiting_ack');
});

test.each([3_600_000, -3_600_000])(
  'a clock that jumps by %i ms during a run neither ends nor repeats it',
  async (by) => {
    const clock = createTestClock();
    const app = await createJobApp('echo ready; while [ ! -e go ]; do sleep 0.02; done', {
      clock,
      settings: { DOE_LEASE_MS: '500' },
    });
    const { task_id } = await createJob(app);
    await approve(app, task_id);
    await untilLogged(app, task_id, /^ready$/);
    clock.jump(by);
    const before = (await app.dispatcher.store.tasks.leases())[0]?.beat ?? 0;
    const beats = async () => (await app.dispatcher.store.tasks.leases())[0]?.beat ?? 0;
    await untilTrue(app, async () => (await beats()) >= before + 5);
    app.write({ go: '' });
    expect(await app.until(task_id, 'succeeded', 'needs_anneal')).toMatchObject({ status: 'succeeded', attempts: 1 });
  },
);

test('a token of one task is refused for another, and each refusal has the first code that applies', async () => {
  const app = await createJobApp('echo "$2" > "token-$1"; echo ready; while [ ! -e go ]; do sleep 0.02; done');
  const tokens: string[] = [];
  for (const task_id of ['a', 'b']) {
    await createJob(app, { task_id });
    await approve(app, task_id);
    await untilLogged(app, task_id, /^ready$/);
    tokens.push(readFileSync(join(app.home, `token-${task_id}`), 'utf8').trim());
  }
  const [a = '', b = ''] = tokens;
  const codeOf = async (input: { ack_token?: string; task_id?: string; run_id?: string }) =>
    (await refusalOf(() => app.call(validateAck, input))).code;
  const runA = (await app.dispatcher.store.tasks.get('a'))?.runId ?? '';
  expect(await app.call(validateAck, { ack_token: a, task_id: 'a', run_id: runA })).toMatchObject({
    task_id: 'a',
    run_id: runA,
  });
  expect(await codeOf({ ack_token: a, task_id: 'b' })).toBe('token_task_mismatch');
  expect(await codeOf({ ack_token: b, run_id: runA })).toBe('token_run_mismatch');
  expect(await codeOf({ ack_token: b, task_id: 'a', run_id: runA })).toBe('token_task_mismatch');
  expect(await codeOf({})).toBe('token_missing');
  expect(await codeOf({ ack_token: 'x' })).toBe('token_malformed');
  expect(await codeOf({ ack_token: `${a.slice(0, -4)}AAAA` })).toBe('token_signature');
  app.write({ 'directives/job.md': '---\ntitle: Other\n---\n', 'execution/job.sh': 'exit 2' });
  expect(await codeOf({ ack_token: a, task_id: 'a' })).toBe('directive_changed');
  app.write({ 'directives/job.md': '---\ntitle: Job\n\n---\n# Job\n' });
  expect(await codeOf({ ack_token: a, task_id: 'a' })).toBe('script_changed');
  app.write({ go: '' });
  await app.until('a', 'succeeded', 'needs_anneal');
  expect(await codeOf({ ack_token: a, task_id: 'b' })).toBe('token_spent');
});

test('an ack token is refused by the first code that applies', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 0', { clock, noWorker: true, frontMatter: pathPayload });
  app.write({ 'in.zip': 'one' });
  const { task_id } = await createJob(app, { payload_json: { zip: 'in.zip' } });
  const { ack_id } = await approve(app, task_id);
  const { acks, store } = app.dispatcher;
  const ack = await store.people.ack(ack_id ?? '');
  if (ack === null) throw new Error('There is no ack.');
  const token = await acks.ackToken(ack);
  const code = async (ack_token: string) => (await refusalOf(() => app.call(validateAck, { ack_token }))).code;
  expect(await app.call(validateAck, { ack_token: token })).toMatchObject({ task_id, task_status: 'queued' });
  expect(await code(await acks.ackToken({ ...ack, id: 'ack_of_nobody' }))).toBe('token_unknown');
  expect(await code(await acks.ackToken({ ...ack, pins: { ...ack.pins, binding: 'f'.repeat(64) } }))).toBe(
    'token_unknown',
  );
  expect(await code(await acks.runToken(ack, 'run_of_nobody', clock.now() + 60_000))).toBe('token_run_mismatch');
  app.write({ 'in.zip': 'two' });
  expect(await code(token)).toBe('payload_changed');
  await app.call(cancelTask, { task_id });
  expect(await code(token)).toBe('token_revoked');
  clock.advance(15 * 60_000);
  expect(await code(token)).toBe('token_expired');
});

test('asked by task, an ack holds for an hour of retries after the first start, and as long as its run lasts', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 0', { clock, noWorker: true, frontMatter: 'retry: { count: 3 }' });
  const { store } = app.dispatcher;
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  const begunAt = clock.now();
  const start = async () => {
    const { runId = '' } = (await store.tasks.claim({ processId: 'one', leaseMs: 1000 })) ?? {};
    return store.tasks.begin(runId, { processId: 'one', host: 'here', ack: null });
  };
  const settle = (runId = '', move: 'retry_scheduled' | 'succeeded' = 'retry_scheduled') =>
    store.tasks.settle(settlementOf({ id: runId, taskId: task_id, processId: 'one' }, move));
  const told = () => app.call(validateAck, { task_id });
  const first = await start();
  await settle(first?.run.id);
  clock.advance(60 * 60_000 - 1);
  expect(await told()).toMatchObject({ task_status: 'queued', expires_at: isoTime(begunAt + 60 * 60_000) });
  const second = await start();
  clock.advance(60 * 60_000);
  expect(await told()).toMatchObject({ task_status: 'running' });
  await settle(second?.run.id);
  expect((await refusalOf(told)).code).toBe('token_expired');
  expect(await start()).toBeNull();
});

test('a run token dies with its run, also where the task is tried again', async () => {
  const app = await createJobApp(
    'echo "$2" > "token-$DOE_ATTEMPT"; [ "$DOE_ATTEMPT" = 2 ] || exit 1; echo ready; while [ ! -e go ]; do sleep 0.02; done',
    {
      frontMatter: 'retry: { count: 1, backoff_ms: 0 }',
    },
  );
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  const token = (attempt: number) => readFileSync(join(app.home, `token-${attempt}`), 'utf8').trim();
  expect((await refusalOf(() => app.call(validateAck, { ack_token: token(1) }))).code).toBe('token_spent');
  expect(await app.call(validateAck, { ack_token: token(2) })).toMatchObject({ task_status: 'running' });
  app.write({ go: '' });
  await app.until(task_id, 'succeeded');
  expect((await logOf(app, task_id)).join()).toContain('Attempt 2 of 2');
});
