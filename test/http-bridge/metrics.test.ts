import { expect, test } from 'vitest';
import { operator, sendJson } from '../helpers/raw-http.js';
import { createTestApp, createTestClock, helloHome, type TestApp } from '../helpers/test-app.js';

/** Each sample of the exposition by its name and labels. */
async function samples(app: TestApp): Promise<Record<string, number>> {
  const { text } = await sendJson(app, 'GET', '/metrics');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
  );
}

const start = async (app: TestApp, task_type: string, run_after?: string): Promise<string> => {
  const json = { task_type, project_id: 'p', actor_id: 'me', ...(run_after === undefined ? {} : { run_after }) };
  const { task_id } = (await sendJson(app, 'POST', '/tasks', { json })).json();
  await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
  return String(task_id);
};

test('the text is of the type that Prometheus asks for, and nothing in it is a secret', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await sendJson(app, 'GET', '/metrics');
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(answer.text).toMatch(/^# TYPE doe_run_duration_seconds histogram$/m);
  expect(answer.text).toMatch(/^doe_build_info\{version="[^"]+"\} 1$/m);
  expect(answer.text).not.toContain(operator);
});

test('counts tasks by status, runs by outcome with their times, and validations by code', async () => {
  const app = await createTestApp({
    files: {
      ...helloHome,
      'directives/bad.md': '---\nretry: { count: 0 }\n---\n# Fails\n',
      'execution/bad.sh': 'exit 3\n',
      'directives/check.md': '---\nretry: { count: 0 }\n---\n# Validates\n',
      'execution/check.mjs':
        "const headers = { authorization: 'Bearer ' + process.argv[3] };\nconst { ok } = await fetch(process.env.MCP_URL + '/mcp/validate-ack', { headers });\nprocess.exit(ok ? 0 : 1);\n",
    },
  });
  await app.until(await start(app, 'hello'), 'succeeded');
  await app.until(await start(app, 'check'), 'succeeded');
  await app.until(await start(app, 'bad'), 'needs_anneal');
  await sendJson(app, 'GET', '/mcp/validate-ack', { key: null });
  await sendJson(app, 'GET', '/mcp/validate-ack?ack_token=x', { key: null });
  await sendJson(app, 'GET', '/mcp/validate-ack?ack_token=y', { key: null });
  const found = await samples(app);
  expect(found).toMatchObject({
    'doe_tasks{status="succeeded"}': 2,
    'doe_tasks{status="needs_anneal"}': 1,
    'doe_tasks{status="queued"}': 0,
    'doe_runs_total{outcome="succeeded"}': 2,
    'doe_runs_total{outcome="failed"}': 1,
    'doe_run_duration_seconds_count{outcome="succeeded"}': 2,
    'doe_run_duration_seconds_bucket{le="+Inf",outcome="succeeded"}': 2,
    'doe_run_duration_seconds_bucket{le="3600",outcome="failed"}': 1,
    'doe_validations_total{code="ok"}': 1,
    'doe_validations_total{code="token_missing"}': 1,
    'doe_validations_total{code="token_malformed"}': 2,
    doe_oldest_queued_age_seconds: 0,
    doe_paused: 0,
  });
  const sum = found['doe_run_duration_seconds_sum{outcome="succeeded"}'] ?? -1;
  expect(sum).toBeGreaterThan(0);
  const growing = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600].map(
    (le) => found[`doe_run_duration_seconds_bucket{le="${le}",outcome="succeeded"}`] ?? -1,
  );
  expect(growing).toEqual([...growing].sort((one, other) => one - other));
  expect(await samples(app)).toMatchObject({
    'doe_validations_total{code="ok"}': 1,
    'doe_validations_total{code="token_malformed"}': 2,
  });
});

test('says how long the oldest task waits that could run, and passes over those that wait for a time', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  await start(app, 'hello', new Date(clock.now() + 86_400_000).toISOString());
  expect((await samples(app)).doe_oldest_queued_age_seconds).toBe(0);
  await start(app, 'hello');
  clock.advance(90_000);
  await start(app, 'hello');
  clock.advance(30_000);
  const found = await samples(app);
  expect(found.doe_oldest_queued_age_seconds).toBe(120);
  expect(found['doe_tasks{status="queued"}']).toBe(3);
});

test('refusals are counted once, whether their batch is written or not', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.dispatcher.store.ledger.record(
    { taskId: null, type: 'validation_refused', assurance: null, data: { token_expired: 5 } },
    { actorId: 'doe', principal: 'operator', channel: 'worker', keyId: null },
  );
  await sendJson(app, 'GET', '/mcp/validate-ack?ack_token=x', { key: null });
  for (const _ of ['once', 'and again'])
    expect(await samples(app)).toMatchObject({
      'doe_validations_total{code="token_expired"}': 5,
      'doe_validations_total{code="token_malformed"}': 1,
    });
});
