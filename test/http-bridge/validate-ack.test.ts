// The route that needs no key: its credential is the token, and what refuses it comes in a fixed order.
import { existsSync, readFileSync, rmSync, watch } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { DispatcherError } from '../../src/errors.js';
import type { Ack, Task } from '../../src/tasks/task.js';
import { checkPins } from '../../src/tools/pinning.js';
import { agent, operator, type RawAnswer, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, createTestClock, helloHome, type TestApp, type TestClock } from '../helpers/test-app.js';

interface Acknowledged {
  task_id: string;
  token: string;
  ack: Ack;
}

async function acknowledged(app: TestApp, more: object = {}): Promise<Acknowledged> {
  const json = { task_type: 'hello', project_id: 'p1', actor_id: 'me', ...more };
  const { task_id } = (await sendJson(app, 'POST', '/tasks', { json })).json();
  const answer = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'jo' } });
  const { ack_id, ack_token } = answer.json();
  const ack = (await app.dispatcher.store.people.ack(String(ack_id))) as Ack;
  return { task_id: String(task_id), token: String(ack_token), ack };
}

const validate = (app: TestApp, token: string | null, query = ''): Promise<RawAnswer> =>
  send(app, {
    path: `/mcp/validate-ack${query === '' ? '' : `?${query}`}`,
    headers: token === null ? {} : { Authorization: `Bearer ${token}` },
  });

const codeOf = ({ status, json }: RawAnswer) => [status, json().code];

describe('a good token', () => {
  test('is taken from the header and from the query, with no key', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id, token, ack } = await acknowledged(app);
    const wanted = {
      ok: true,
      task_id,
      actor_id: 'jo',
      directive_version: 1,
      directive_sha256: ack.pins.directiveSha256,
      payload_sha256: ack.pins.payloadSha256,
      script_sha256: ack.pins.scriptSha256,
      assurance: 'operator',
      expires_at: new Date(ack.expiresAt).toISOString(),
      task_status: 'queued',
    };
    for (const answer of [
      await validate(app, token),
      await validate(app, null, `ack_token=${token}`),
      await validate(app, token, `task_id=${task_id}`),
      await validate(app, token, 'ack_token='),
      await send(app, { path: '/mcp/validate-ack', headers: { Authorization: `bearer ${token}` } }),
    ]) {
      expect(answer.status).toBe(200);
      expect(answer.json()).toEqual(wanted);
      expect(answer.text).not.toContain(token);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
  });

  test('validates as often as it is asked, and another task keeps its own', async () => {
    const app = await createTestApp({ noWorker: true });
    const [one, other] = [await acknowledged(app), await acknowledged(app)];
    for (const { token, task_id } of [one, other, one, one])
      expect((await validate(app, token)).json().task_id).toBe(task_id);
  });
});

describe('refusals by their code', () => {
  test('token_missing and token_malformed', async () => {
    const app = await createTestApp({ noWorker: true });
    const { token } = await acknowledged(app);
    expect(codeOf(await validate(app, null))).toEqual([401, 'token_missing']);
    expect(codeOf(await validate(app, null, 'ack_token='))).toEqual([401, 'token_missing']);
    const [head, body] = token.split('.');
    for (const wrong of [
      'x',
      'a.b.c',
      `${head}.${body}`,
      `${token}.x`,

      'undefined',
      'x'.repeat(9000),
    ])
      expect([wrong.slice(0, 20), ...codeOf(await validate(app, wrong))]).toEqual([
        wrong.slice(0, 20),
        401,
        'token_malformed',
      ]);
    expect(codeOf(await validate(app, operator))).toEqual([401, 'token_malformed']);
  });

  test('token_signature: altered, unsigned, of another home, or of another purpose', async () => {
    const app = await createTestApp({ noWorker: true });
    const other = await createTestApp({
      noWorker: true,
      settings: { MCP_SECRET: 'another-secret-that-is-long-enough-0123456789' },
    });
    const { token } = await acknowledged(app);
    const [head = '', body = '', signature = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Record<string, unknown>;
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>;
    const wrong = [
      `${head}.${encode({ ...claims, exp: 9_999_999_999 })}.${signature}`,
      `${head}.${encode({ ...claims, sub: 'another' })}.${signature}`,
      `${head}.${body}.${signature.slice(0, -2)}AA`,
      `${encode({ ...header, kid: 'none' })}.${body}.${signature}`,
      (await acknowledged(other)).token,
    ];
    for (const one of wrong) expect(codeOf(await validate(app, one))).toEqual([401, 'token_signature']);
    const unsigned = await validate(app, `${encode({ ...header, alg: 'none' })}.${body}.`);
    expect(unsigned.status).toBe(401);
    expect(['token_signature', 'token_malformed']).toContain(unsigned.json().code);
    const runKey = await app.dispatcher.acks.runKey({ taskId: 't', runId: 'r', integrations: [] }, Date.now() + 60_000);
    expect(codeOf(await validate(app, runKey))).toEqual([401, 'token_signature']);
  });

  test('token_expired, to the moment, and not before its time', async () => {
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const { token, ack } = await acknowledged(app);
    clock.advance(ack.expiresAt - clock.now() - 1);
    expect((await validate(app, token)).status).toBe(200);
    clock.advance(1);
    expect(codeOf(await validate(app, token))).toEqual([401, 'token_expired']);
    const later = await acknowledged(app, { run_after: new Date(clock.now() + 3_600_000).toISOString() });
    expect(codeOf(await validate(app, later.token))).toEqual([401, 'token_expired']);
    clock.advance(3_601_000);
    expect((await validate(app, later.token)).status).toBe(200);
  });

  test('a clock that is set back revives no token', async () => {
    const clock: TestClock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const { token, ack } = await acknowledged(app);
    clock.jump(ack.expiresAt - clock.now() + 1000);
    await acknowledged(app);
    clock.jump(-3_600_000);
    expect(codeOf(await validate(app, token))).toEqual([401, 'token_expired']);
  });

  test('token_unknown: signed by this home, with no ack behind it', async () => {
    const app = await createTestApp({ noWorker: true });
    const { ack } = await acknowledged(app);
    const forged = await app.dispatcher.acks.ackToken({ ...ack, id: 'ack_00000000000000000000' });
    expect(codeOf(await validate(app, forged))).toEqual([401, 'token_unknown']);
    const moved = await app.dispatcher.acks.ackToken({ ...ack, pins: { ...ack.pins, binding: '0'.repeat(64) } });
    expect(codeOf(await validate(app, moved))).toEqual([401, 'token_unknown']);
  });

  test('token_revoked, once the task was stopped', async () => {
    const app = await createTestApp({ noWorker: true });
    const { token, task_id } = await acknowledged(app);
    await sendJson(app, 'POST', `/tasks/${task_id}/cancel`, { json: {} });
    const [status, code] = codeOf(await validate(app, token));
    expect([status, ['token_revoked', 'token_spent'].includes(String(code))]).toEqual([401, true]);
    const failed = await acknowledged(app);
    await sendJson(app, 'POST', `/tasks/${failed.task_id}/failure`, {
      json: { error_type: 'x', classification: 'script' },
    });
    expect(codeOf(await validate(app, failed.token))).toEqual([401, 'token_revoked']);
  });

  test('token_spent, once the task has settled', async () => {
    const app = await createTestApp();
    const { token, task_id } = await acknowledged(app);
    await app.until(task_id, 'succeeded');
    expect(codeOf(await validate(app, token))).toEqual([401, 'token_spent']);
  });

  test('token_task_mismatch and token_run_mismatch', async () => {
    const app = await createTestApp({ noWorker: true });
    const [one, other] = [await acknowledged(app), await acknowledged(app)];
    expect(codeOf(await validate(app, one.token, `task_id=${other.task_id}`))).toEqual([401, 'token_task_mismatch']);
    for (const task_id of ['not-there', 'a%20b', ''])
      expect(codeOf(await validate(app, one.token, `task_id=${task_id}`))).toEqual([401, 'token_task_mismatch']);
    expect(codeOf(await validate(app, null, 'task_id=a%20b'))).toEqual([401, 'token_missing']);
    expect(codeOf(await validate(app, one.token, `run_id=${'r'.repeat(100)}`))).toEqual([401, 'token_run_mismatch']);
    expect(codeOf(await validate(app, one.token, 'run_id=run_1'))).toEqual([401, 'token_run_mismatch']);
  });

  test.each([
    ['directive_changed', { 'directives/hello.md': `${helloHome['directives/hello.md']}\nMore.\n` }],
    ['script_changed', { 'execution/hello.sh': 'true\n' }],
    ['script_changed', { 'execution/helper.sh': 'true\n' }],
  ])('%s, as the disk is now', async (code, files) => {
    const app = await createTestApp({ noWorker: true });
    const { token } = await acknowledged(app);
    app.write(files);
    expect(codeOf(await validate(app, token))).toEqual([401, code]);
    app.write(helloHome);
  });

  test('payload_changed, where a file that it names is another one', async () => {
    const app = await createTestApp({
      noWorker: true,
      files: {
        'directives/up.md':
          '---\npayload: { type: object, properties: { zip: { type: string, x-doe-path: true } } }\n---\n# Up\n',
        'execution/up.sh': 'true\n',
        'in/site.zip': 'one',
      },
    });
    const { token } = await acknowledged(app, { task_type: 'up', payload_json: { zip: 'in/site.zip' } });
    expect((await validate(app, token)).status).toBe(200);
    app.write({ 'in/site.zip': 'two' });
    expect(codeOf(await validate(app, token))).toEqual([401, 'payload_changed']);
  });
});

test('of several reasons the first of the order is told', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const { token, task_id, ack } = await acknowledged(app);
  const told = async (query = '') => (await validate(app, token, query)).json().code;
  app.write({ 'execution/hello.sh': 'true\n' });
  expect(await told()).toBe('script_changed');
  app.write({ 'directives/hello.md': '---\ntitle: Other\n---\n# Other\n' });
  expect(await told()).toBe('directive_changed');
  expect(await told('run_id=run_x')).toBe('token_run_mismatch');
  expect(await told('run_id=run_x&task_id=other')).toBe('token_task_mismatch');
  await sendJson(app, 'POST', `/tasks/${task_id}/failure`, { json: { error_type: 'x', classification: 'script' } });
  expect(await told('run_id=run_x&task_id=other')).toBe('token_revoked');
  clock.advance(ack.expiresAt - clock.now());
  expect(await told('run_id=run_x&task_id=other')).toBe('token_expired');
});

describe('where the disk allows no pin any more', () => {
  const upload = (more = '') =>
    `---\n${more}\npayload: { type: object, properties: { zip: { type: string, x-doe-path: true } } }\n---\n# Up\n`;
  const files = { 'directives/up.md': upload(), 'execution/up.sh': 'true\n', 'in/site.zip': 'one' };
  const task = { task_type: 'up', payload_json: { zip: 'in/site.zip' } };
  const remove = (name: string) => (app: TestApp) => rmSync(join(app.home, name));
  const write = (changed: Record<string, string>) => (app: TestApp) => app.write(changed);
  const stricter = upload().replace('type: object,', 'type: object, required: [more],');

  test.each([
    ['directive_changed', 'it wants a field that the payload lacks', [write({ 'directives/up.md': stricter })]],
    [
      'directive_changed',
      'it names a script that is not there',
      [write({ 'directives/up.md': upload('script: no.sh') })],
    ],
    ['directive_changed', 'it is gone', [remove('directives/up.md'), remove('execution/up.sh')]],
    [
      'payload_changed',
      'a named file is another, the script gone',
      [write({ 'in/site.zip': 'two' }), remove('execution/up.sh')],
    ],
    ['payload_changed', 'named file and script are gone', [remove('in/site.zip'), remove('execution/up.sh')]],
    ['script_changed', 'the script is gone', [remove('execution/up.sh')]],
  ])('%s is told first: %s', async (code, _why, changes) => {
    const app = await createTestApp({ noWorker: true, files });
    const { token, task_id } = await acknowledged(app, task);
    for (const change of changes) change(app);
    expect(codeOf(await validate(app, token))).toEqual([401, code]);
    const waiting = (await app.dispatcher.store.tasks.get(task_id)) as Task;
    expect(await checkPins(app.dispatcher, waiting)).toMatchObject({ ok: false, code, work: null });
  });

  test('a task that nobody acknowledged is not said to have changed after an acknowledgement', async () => {
    const app = await createTestApp({ noWorker: true, files });
    const json = { ...task, project_id: 'p1', actor_id: 'me', task_id: 'waits' };
    await sendJson(app, 'POST', '/tasks', { json });
    app.write({ 'directives/up.md': stricter });
    const refused = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id: 'waits', actor_id: 'jo' } });
    expect([refused.status, refused.json().code]).toEqual([409, 'changed_since_shown']);
    const { statusReason } = (await app.dispatcher.store.tasks.get('waits')) ?? {};
    expect(statusReason).toMatch(/^The directive was changed since the task was pinned\. .*more/);
    app.write({ 'directives/up.md': upload(), 'execution/up.sh': 'exit 1\n' });
    await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id: 'waits', actor_id: 'jo' } });
    expect((await app.dispatcher.store.tasks.get('waits'))?.statusReason).toBe(
      'The script, or a file that it can load, was changed since the task was pinned.',
    );
  });
});

test('the token of a run holds for its task and run alone, while the run lasts', async () => {
  const app = await createTestApp({
    files: {
      'directives/hold.md': '---\nretry: { count: 0 }\n---\n# Hold\n',
      'execution/hold.mjs': `
import { existsSync, renameSync, watch, writeFileSync } from 'node:fs';
writeFileSync('out.tmp', JSON.stringify([process.argv[3], process.env.DOE_RUN_ID]));
const gate = watch('gate', () => existsSync('gate/go') && gate.close());
renameSync('out.tmp', 'gate/out');
`,
      'gate/.keep': '',
    },
  });
  const { task_id, token } = await acknowledged(app, { task_type: 'hold' });
  const out = `${app.home}/gate/out`;
  await new Promise<void>((resolve) => {
    const look = () => {
      if (!existsSync(out)) return;
      gate.close();
      resolve();
    };
    const gate = watch(`${app.home}/gate`, look);
    look();
  });
  const [runToken, runId] = JSON.parse(readFileSync(out, 'utf8')) as [string, string];
  const fault = new DispatcherError('store_unavailable', 'The disk is full.');
  const record = vi.spyOn(app.dispatcher.store.ledger, 'record').mockRejectedValueOnce(fault);
  expect(codeOf(await validate(app, runToken)), 'not said to hold before that is written').toEqual([
    503,
    'store_unavailable',
  ]);
  record.mockRestore();
  const good = await validate(app, runToken, `task_id=${task_id}&run_id=${runId}`);
  expect([good.status, good.json().run_id, good.json().task_status]).toEqual([200, runId, 'running']);
  expect(codeOf(await validate(app, runToken, 'run_id=run_other'))).toEqual([401, 'token_run_mismatch']);
  expect(codeOf(await validate(app, token, `run_id=${runId}`))).toEqual([401, 'token_run_mismatch']);
  expect(runToken).not.toBe(token);
  app.write({ 'gate/go': '' });
  await app.until(task_id, 'succeeded');
  expect(codeOf(await validate(app, runToken))).toEqual([401, 'token_spent']);
  const events = await app.dispatcher.store.ledger.events({ taskId: task_id, limit: 20 });
  expect(events.filter(({ type }) => type === 'validated')).toHaveLength(1);
});

test('a key instead of a token opens nothing, and a stranger learns nothing of tasks', async () => {
  const app = await createTestApp({ noWorker: true });
  const { task_id } = await acknowledged(app);
  for (const headers of [{ 'X-API-Key': operator }, { 'X-API-Key': agent }] as Record<string, string>[]) {
    const answer = await send(app, { path: `/mcp/validate-ack?task_id=${task_id}`, headers });
    expect(codeOf(answer)).toEqual([401, 'token_missing']);
    expect(answer.text).not.toContain(task_id);
  }
});
