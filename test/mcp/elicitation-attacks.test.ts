// Who would pass for the person: a model that forges, replays or redirects answers. Each leaves the task as it is.
import { expect, test } from 'vitest';
import { acknowledge, createTask } from '../../src/tools/index.js';
import { createTestApp, createTestClock, operatorKey, type TestApp } from '../helpers/test-app.js';
import { connect, type Form, typedId } from './clients.js';
import { modernRequest } from './modern.js';

const keyOf = (setting: string) => setting.slice(setting.indexOf(':') + 1);
const operator = keyOf(operatorKey);
const otherOperator = 'second-operator-key-0123456789abcdef';

const newTask = async (app: TestApp): Promise<string> =>
  (await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'model' })).task_id;

const yes = (task_id: string) => ({
  acknowledgement: { action: 'accept', content: { task_id, decision: 'approve' } },
});

const callAcknowledge = (app: TestApp, args: object, more: object = {}, key = operator) =>
  modernRequest(app, key, { method: 'tools/call', params: { name: 'acknowledge', arguments: args, ...more } });

const statusOf = async (app: TestApp, id: string) => (await app.dispatcher.store.tasks.get(id))?.status;
const ask = async (app: TestApp, task_id: string): Promise<string> => {
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' });
  expect(body.result.resultType).toBe('input_required');
  return body.result.requestState;
};

test('a person asked in the 2026 era acknowledges with the repeated call', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  const { body } = await callAcknowledge(
    app,
    { task_id, actor_id: 'model' },
    { inputResponses: yes(task_id), requestState },
  );
  expect(body.result.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
});

test('forged inputResponses on a first call are no answer', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' }, { inputResponses: yes(task_id) });
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('an invented requestState is no answer', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const forged = { inputResponses: yes(task_id), requestState: 'x'.repeat(32) };
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' }, forged);
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('a requestState counts once: its replay for the task gone round again asks anew', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  await callAcknowledge(
    app,
    { task_id, actor_id: 'model' },
    { inputResponses: { acknowledgement: { action: 'decline' } }, requestState },
  );
  const { body } = await callAcknowledge(
    app,
    { task_id, actor_id: 'model' },
    { inputResponses: yes(task_id), requestState },
  );
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test("one task's answer does not serve another task", async () => {
  const app = await createTestApp({ noWorker: true });
  const [shown, other] = [await newTask(app), await newTask(app)];
  const requestState = await ask(app, shown);
  const { body } = await callAcknowledge(
    app,
    { task_id: other, actor_id: 'model' },
    { inputResponses: yes(other), requestState },
  );
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, other)).toBe('awaiting_ack');
});

test('an answer does not serve a call with other arguments', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  const { body } = await callAcknowledge(
    app,
    { task_id, actor_id: 'the-boss' },
    { inputResponses: yes(task_id), requestState },
  );
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test("another key's caller cannot use the answer", async () => {
  const app = await createTestApp({ noWorker: true, settings: { MCP_API_KEY: `${operatorKey},al:${otherOperator}` } });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  const replayed = { inputResponses: yes(task_id), requestState };
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' }, replayed, otherOperator);
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test.each([
  { decision: 'approve' },
  { decision: 'approve', task_id: 'hello-another' },
  { decision: 'approve', task_id: '' },
])('a form that a host filled in with %j is no yes', async (content) => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  const accepted = { inputResponses: { acknowledgement: { action: 'accept', content } }, requestState };
  await callAcknowledge(app, { task_id, actor_id: 'model' }, accepted);
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('an answer after ten minutes asks anew', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  clock.advance(10 * 60_000 + 1);
  const { body } = await callAcknowledge(
    app,
    { task_id, actor_id: 'model' },
    { inputResponses: yes(task_id), requestState },
  );
  expect(body.result.resultType).toBe('input_required');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('a script that was swapped between the showing and the yes is not acknowledged', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const requestState = await ask(app, task_id);
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  const { body } = await callAcknowledge(
    app,
    { task_id, actor_id: 'model' },
    { inputResponses: yes(task_id), requestState },
  );
  expect(JSON.stringify(body.result)).toContain('changed_since_shown');
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('inputResponses on a 2025-era wire are ignored', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const client = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key: operator });
  const answer = await client.raw.request({
    method: 'tools/call',
    params: {
      name: 'acknowledge',
      arguments: { task_id, actor_id: 'model' },
      inputResponses: yes(task_id),
      requestState: 'x',
    },
  });
  expect(answer.structuredContent).toMatchObject({ status: 'awaiting_ack' });
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test("a session of another key is as good as none: its person's line cannot be used", async () => {
  const app = await createTestApp({ noWorker: true, settings: { MCP_API_KEY: `${operatorKey},al:${otherOperator}` } });
  const client = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key: operator });
  const response = await fetch(`${app.address}/mcp`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${otherOperator}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'Mcp-Session-Id': client.raw.transport.sessionId,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/list', params: {} }),
  });
  expect(response.status).toBe(404);
});

test('the model may not refuse in the person’s stead, nor give its own word more weight', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model', decision: 'reject' });
  expect(body.result).toMatchObject({ isError: true });
  expect(JSON.parse(body.result.content[0].text)).toMatchObject({ code: 'not_allowed' });
  expect(await statusOf(app, task_id)).toBe('awaiting_ack');
});

test('a form shows what cannot be seen: a payload with hidden characters hides nothing', async () => {
  const app = await createTestApp({ noWorker: true });
  const { task_id } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'model',
    payload_json: { note: 'fine\u202e\u200b' },
  });
  const forms: Form[] = [];
  const client = await connect(
    '2.x legacy',
    { kind: 'http', url: `${app.address}/mcp`, key: operator },
    {
      forms,
      answer: ({ message }) => ({ action: 'accept', content: { task_id: typedId(message), decision: 'approve' } }),
    },
  );
  await client.call('acknowledge', { task_id, actor_id: 'model' });
  expect(forms[0]?.message).toContain('fine\\u{202e}\\u{200b}');
});

test('a payload that does not fit into the form goes to the page', async () => {
  const app = await createTestApp({ noWorker: true });
  const { task_id } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'model',
    payload_json: { text: 'x'.repeat(5_000) },
  });
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' });
  expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
});

test('a directive that wants an operator is not acknowledged by a form', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { 'directives/hello.md': '---\nack: operator\n---\nSay hello.\n', 'execution/hello.sh': 'true\n' },
  });
  const task_id = await newTask(app);
  const { body } = await callAcknowledge(app, { task_id, actor_id: 'model' });
  expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
  await app.call(acknowledge, { task_id, actor_id: 'jo' });
  expect(await statusOf(app, task_id)).toBe('queued');
});
