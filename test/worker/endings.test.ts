import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { annealComplete, cancelTask, validateAck } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { createTestClock } from '../helpers/test-app.js';
import { approve, createJob, createJobApp, logOf, runJob, trustAll, untilLogged } from '../helpers/worker-home.js';

const lives = (pid: number): boolean => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/\) [ZX] /.test(stat);
  } catch {
    return false;
  }
};

/** Three generations that all ignore SIGTERM, each with its pid on stdout. */
const stubborn = `
trap '' TERM
echo "pid $$"
bash -c 'trap "" TERM; echo "pid $$"; bash -c "trap \\"\\" TERM; echo \\"pid \\$\\$\\"; echo ready; while :; do sleep 1; done" & wait; while :; do sleep 1; done' &
while :; do sleep 1; done
`;

const pidsIn = (log: string[]): number[] =>
  log.flatMap((line) => /stdout pid (\d+)$/.exec(line)?.[1] ?? []).map(Number);

test('a timeout ends the whole process group, also grandchildren that ignore SIGTERM', async () => {
  const app = await createJobApp(stubborn, { frontMatter: 'timeout: 1s\nauto_anneal: false' });
  const task = await runJob(app);
  expect(task).toMatchObject({
    status: 'failed',
    outcome: 'timed_out',
    statusReason: expect.stringContaining('timeout of 1 s'),
  });
  const pids = pidsIn(await logOf(app, task.id));
  expect(pids).toHaveLength(3);
  expect(pids.filter(lives)).toEqual([]);
});

test('a running task is cancelled when its script is dead', async () => {
  const app = await createJobApp('sleep 1000 & echo "pid $!"; echo "pid $$"; echo ready; wait');
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  expect((await app.call(cancelTask, { task_id, reason: 'not wanted' })).status).toBe('running');
  const task = await app.until(task_id, 'cancelled');
  expect(task).toMatchObject({ outcome: 'cancelled', statusReason: 'not wanted', aid: null, runId: null });
  expect(pidsIn(await logOf(app, task_id)).filter(lives)).toEqual([]);
});

test('a script that cleans up on SIGTERM has the time to', async () => {
  const app = await createJobApp('trap "echo cleaned; exit 3" TERM; echo ready; while :; do sleep 0.1; done');
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  await app.call(cancelTask, { task_id });
  await app.until(task_id, 'cancelled');
  expect(await logOf(app, task_id)).toContain('stdout cleaned');
});

test('a cancel that arrives while the script fails by itself is not lost to a retry', async () => {
  const app = await createJobApp('echo ready; while [ ! -e go ]; do sleep 0.02; done; exit 1', {
    frontMatter: 'retry: { count: 5, backoff_ms: 0 }',
  });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  writeFileSync(join(app.home, 'go'), '');
  await app.call(cancelTask, { task_id });
  expect((await app.until(task_id, 'cancelled', 'needs_anneal')).status).toBe('cancelled');
});

test('what a script leaves running in the background ends with it, also where it left the group', async () => {
  const app = await createJobApp(
    'sleep 1000 & echo "pid $!"\nsetsid bash -c \'echo "pid $$"; exec sleep 1000\' &\nsleep 0.2; exit 0',
  );
  const task = await runJob(app);
  expect(task.status).toBe('succeeded');
  const pids = pidsIn(await logOf(app, task.id));
  expect(pids).toHaveLength(2);
  expect(pids.filter(lives)).toEqual([]);
});

test('a daemon that a script leaves, with a session of its own and nothing open, does not outlive it', async () => {
  const app = await createJobApp(
    "setsid bash -c 'echo $$ > daemon; exec sleep 1000' < /dev/null > /dev/null 2>&1 &\nwhile [ ! -s daemon ]; do sleep 0.02; done; exit 0",
  );
  const task = await runJob(app);
  expect(task.status).toBe('succeeded');
  expect(lives(Number(readFileSync(join(app.home, 'daemon'), 'utf8')))).toBe(false);
});

test('a failed run is tried again after its backoff, under the same ack, and each attempt has its own token', async () => {
  const clock = createTestClock();
  const app = await createJobApp('echo "try $DOE_ATTEMPT"; [ "$DOE_ATTEMPT" = 3 ]', {
    frontMatter: 'retry: { count: 2, backoff_ms: 60000 }',
    settings: { DOE_POLL_MS: '50' },
    clock,
  });
  const { task_id } = await createJob(app);
  const { ack_id } = await approve(app, task_id);
  const waiting = async (attempts: number) => {
    for (;;) {
      const task = await app.until(task_id, 'queued', 'succeeded', 'needs_anneal');
      if (task.attempts >= attempts) return task;
      await untilLogged(app, task_id, new RegExp(`^Attempt ${attempts}`));
      await app.until(task_id, 'queued', 'succeeded');
    }
  };
  const first = await waiting(1);
  expect(first).toMatchObject({ status: 'queued', attempts: 1, ackId: ack_id });
  const delay = (first.runAfter ?? 0) - clock.now();
  expect(delay).toBeGreaterThanOrEqual(30_000);
  expect(delay).toBeLessThanOrEqual(60_000);
  clock.advance(60_000);
  const second = await waiting(2);
  expect((second.runAfter ?? 0) - clock.now()).toBeGreaterThanOrEqual(60_000);
  clock.advance(120_000);
  const done = await app.until(task_id, 'succeeded');
  expect(done).toMatchObject({ attempts: 3, ackId: ack_id, aid: null });
  const runs = await app.dispatcher.store.tasks.runs(task_id);
  expect(runs.map(({ outcome, attempt }) => [outcome, attempt])).toEqual([
    ['failed', 1],
    ['failed', 2],
    ['succeeded', 3],
  ]);
  expect((await app.dispatcher.store.people.acks(task_id)).map(({ spentAt }) => spentAt !== null)).toEqual([true]);
});

test('a clock that is set back does not shorten the backoff', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 1', { frontMatter: 'retry: { count: 5, backoff_ms: 60000 }', clock });
  const { task_id } = await createJob(app);
  clock.jump(-60 * 60_000);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^failed/);
  const { attempts, runAfter } = await app.until(task_id, 'queued', 'needs_anneal');
  expect(attempts).toBe(1);
  expect((runAfter ?? 0) - (await app.dispatcher.store.now())).toBeGreaterThanOrEqual(30_000);
});

test('an ack covers retries for an hour after the first start, and no longer', async () => {
  const clock = createTestClock();
  const app = await createJobApp('exit 1', {
    frontMatter: 'retry: { count: 5, backoff_ms: 1000 }',
    settings: { DOE_POLL_MS: '50' },
    clock,
  });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^Attempt 1/);
  await app.until(task_id, 'queued');
  clock.advance(60 * 60_000);
  const task = await app.until(task_id, 'awaiting_ack');
  expect(task).toMatchObject({ attempts: 1, statusReason: expect.stringContaining('hour') });
  expect(await app.dispatcher.store.tasks.runs(task_id)).toHaveLength(1);
});

test('a task that wants no ack is retried past the hour, with an ack of its own each time', async () => {
  const clock = createTestClock();
  const app = await createJobApp('[ "$DOE_ATTEMPT" = 2 ]', {
    frontMatter: 'require_ack: false\nretry: { count: 5, backoff_ms: 1000 }',
    settings: { DOE_POLL_MS: '50' },
    clock,
  });
  await trustAll(app);
  const { task_id, status } = await createJob(app);
  expect(status).toBe('queued');
  await untilLogged(app, task_id, /^failed/);
  await app.until(task_id, 'queued');
  clock.advance(2 * 60 * 60_000);
  expect(await app.until(task_id, 'succeeded', 'awaiting_ack')).toMatchObject({
    status: 'succeeded',
    assurance: 'agent',
  });
});

test('a cancel during the fix_script stands with its own reason, not with that of the script before', async () => {
  const app = await createJobApp('exit 9', { frontMatter: 'fix_script: fix.sh\ntimeout: 30s' });
  app.write({ 'execution/fix.sh': 'echo fixing\nsleep 20\n' });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^fixing$/);
  await app.call(cancelTask, { task_id, reason: 'not wanted' });
  expect(await app.until(task_id, 'cancelled', 'needs_anneal')).toMatchObject({
    status: 'cancelled',
    statusReason: 'not wanted',
  });
});

test('the fix_script runs once after the last attempt, with a time and a token of its own, and gives one more attempt', async () => {
  const app = await createJobApp('[ -e fixed ] && exit 0; sleep 20', {
    frontMatter: 'fix_script: fix.mjs\ntimeout: 3s',
  });
  app.write({
    'execution/fix.mjs': `
import { writeFileSync } from 'node:fs';
const [, , , token] = process.argv;
const answer = await fetch(process.env.MCP_URL + '/mcp/validate-ack', { headers: { authorization: 'Bearer ' + token } });
console.log('fixing', answer.status);
writeFileSync('fixed', '');
`,
  });
  const task = await runJob(app);
  expect(task).toMatchObject({ status: 'succeeded', attempts: 2, fixUsed: true });
  expect(await logOf(app, task.id)).toEqual(
    expect.arrayContaining([
      'system fix_script: fix.mjs',
      'stdout fixing 200',
      'system fix_script succeeded',
      'system Attempt 2, after the fix_script: job.sh',
    ]),
  );
});

test('a fix_script that fails, or whose attempt fails, leads to repair and is not run again', async () => {
  const app = await createJobApp('echo "lasting trouble" >&2; exit 1', { frontMatter: 'fix_script: fix.sh' });
  app.write({ 'execution/fix.sh': 'echo fixing; exit "$(cat code)"', code: '1' });
  const unfixed = await runJob(app);
  expect(unfixed).toMatchObject({ status: 'needs_anneal', attempts: 1 });
  app.write({ code: '0' });
  const fixedInVain = await runJob(app);
  expect(fixedInVain).toMatchObject({ status: 'needs_anneal', attempts: 2 });
  expect((await logOf(app, fixedInVain.id)).filter((line) => line === 'stdout fixing')).toHaveLength(1);
});

test.each([
  ['the fix_script', 'echo "touch swapped" > execution/fix.sh', /script/],
  ['a file that it can load', 'echo "touch swapped" > execution/lib.sh', /script/],
  ['the directive', 'echo "More words." >> directives/job.md', /directive/],
  ['a file that the payload names', 'echo other > in.zip', /payload/],
])(
  'a script that changes %s while it runs gets no fix_script: what runs is what was acknowledged',
  async (_what, change, why) => {
    const app = await createJobApp(`${change}; echo trouble >&2; exit 1`, {
      frontMatter:
        'fix_script: fix.sh\npayload: { type: object, properties: { zip: { type: string, x-doe-path: true } } }',
    });
    app.write({ 'execution/fix.sh': 'touch fixed; . execution/lib.sh', 'execution/lib.sh': '', 'in.zip': 'one' });
    const task = await runJob(app, { payload_json: { zip: 'in.zip' } });
    expect(['fixed', 'swapped'].filter((name) => existsSync(join(app.home, name)))).toEqual([]);
    expect(task).toMatchObject({ status: 'needs_anneal', attempts: 1, fixUsed: false });
    expect(task.statusReason).toMatch(/trouble\. The fix_script was not run: /);
    expect(task.statusReason).toMatch(why);
    expect((await logOf(app, task.id)).join('\n')).toContain('system The fix_script was not run: ');
    const { store } = app.dispatcher;
    expect((await store.ledger.lastFailure(task.id))?.message).toBe(task.statusReason);
    const refused = (await store.ledger.events({ taskId: task.id, limit: 100 })).filter(
      ({ type }) => type === 'fix_refused',
    );
    expect(refused.map(({ data }) => data)).toEqual([
      { run_id: expect.any(String), reason: expect.stringContaining('was not run') },
    ]);
    expect((await store.ledger.verify()).faults).toEqual([]);
  },
);

test('a fix_script is not run when the hour that the ack covers after the first start is over', async () => {
  const clock = createTestClock();
  const app = await createJobApp('echo ready; while [ ! -e go ]; do sleep 0.02; done; exit 1', {
    frontMatter: 'fix_script: fix.sh',
    clock,
  });
  app.write({ 'execution/fix.sh': 'touch fixed' });
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  await untilLogged(app, task_id, /^ready$/);
  clock.advance(60 * 60_000);
  app.write({ go: '' });
  const task = await app.until(task_id, 'needs_anneal', 'queued', 'succeeded');
  expect(task).toMatchObject({ status: 'needs_anneal', statusReason: expect.stringContaining('hour') });
  expect(existsSync(join(app.home, 'fixed'))).toBe(false);
});

test('a repaired task runs under a fresh ack, begins its attempts anew, and records which bundle healed it', async () => {
  const app = await createJobApp('exit 1');
  const failed = await runJob(app);
  expect(failed).toMatchObject({ status: 'needs_anneal', attempts: 1 });
  expect((await refusalOf(() => app.call(annealComplete, { task_id: failed.id }))).code).toBe('nothing_changed');
  app.write({ 'execution/job.sh': 'exit 0' });
  expect((await app.call(annealComplete, { task_id: failed.id })).status).toBe('awaiting_ack');
  const { ack_id } = await approve(app, failed.id);
  const healed = await app.until(failed.id, 'succeeded');
  expect(healed).toMatchObject({ attempts: 1, aid: failed.aid, ackId: ack_id });
  expect(ack_id).not.toBe(failed.ackId);
  const events = await app.dispatcher.store.ledger.events({ taskId: failed.id, limit: 100 });
  expect(events.find(({ type }) => type === 'succeeded')?.data).toMatchObject({ healed_by: failed.aid });
});

test('a bundle that was dismissed healed nothing', async () => {
  const { dismissAnneal, retryTask } = await import('../../src/tools/index.js');
  const app = await createJobApp('[ -e ok ]');
  const failed = await runJob(app);
  await app.call(dismissAnneal, { task_id: failed.id });
  await app.call(retryTask, { task_id: failed.id });
  writeFileSync(join(app.home, 'ok'), '');
  await approve(app, failed.id);
  await app.until(failed.id, 'succeeded');
  const events = await app.dispatcher.store.ledger.events({ taskId: failed.id, limit: 100 });
  expect(events.find(({ type }) => type === 'succeeded')?.data).not.toHaveProperty('healed_by');
});

test('a script that changes files it can load while it runs is audited, and the log says so', async () => {
  const app = await createJobApp('echo "# more" >> execution/job.sh');
  const task = await runJob(app);
  expect(task.status).toBe('succeeded');
  expect((await logOf(app, task.id)).join()).toContain('was changed while it ran');
  const events = await app.dispatcher.store.ledger.events({ taskId: task.id, limit: 100 });
  expect(events.find(({ type }) => type === 'succeeded')?.data.script_changed_to).toMatch(/^[0-9a-f]{64}$/);
});

test('a token is spent when its task settles', async () => {
  const app = await createJobApp('echo "$2" > token');
  const task = await runJob(app);
  const token = readFileSync(join(app.home, 'token'), 'utf8').trim();
  expect((await refusalOf(() => app.call(validateAck, { ack_token: token }))).code).toBe('token_spent');
  expect((await refusalOf(() => app.call(validateAck, { task_id: task.id }))).code).toBe('token_spent');
});
