import { describe, expect, test } from 'vitest';
import { agentKey, createTestApp, operatorKey, type TestApp } from '../helpers/test-app.js';
import { approving, connect, type Person, sdks, typedId } from './clients.js';

const operator = operatorKey.slice(operatorKey.indexOf(':') + 1);
const mcp = (app: TestApp, key = operator) => ({ kind: 'http' as const, url: `${app.address}/mcp`, key });
const helloTask = { task_type: 'hello', project_id: 'p1', actor_id: 'model' };

describe.each(sdks)('SDK %s over Streamable HTTP', (sdk) => {
  test('does the whole job: create, a form that the person answers, run, result', async () => {
    const app = await createTestApp();
    const person = approving();
    const client = await connect(sdk, mcp(app), person);
    const created = await client.call('create_task', helloTask);
    expect(created.structuredContent).toMatchObject({ status: 'awaiting_ack' });
    const task_id = String(created.structuredContent?.task_id);
    const ack = await client.call('acknowledge', { task_id, actor_id: 'model' });
    expect(ack.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
    expect(JSON.stringify(ack)).not.toContain('ack_token');
    expect(person.forms[0]?.message).toContain('Say hello for p1');
    await app.until(task_id, 'succeeded');
    const status = await client.call('task_status', { task_id });
    expect(status.structuredContent?.task).toMatchObject({ status: 'succeeded', result: { said: 'hello' } });
    expect(JSON.parse(status.content[0]?.text ?? '')).toEqual(status.structuredContent);
  });

  test('the trace context in _meta is kept on the task and handed to the script', async () => {
    const app = await createTestApp({
      files: {
        'directives/trace.md': '---\n---\n# Trace\n',
        'execution/trace.sh': 'echo "\\"$TRACEPARENT\\"" > "$DOE_RESULT_FILE"\n',
      },
    });
    const client = await connect(sdk, mcp(app), approving());
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { structuredContent } = await client.raw.callTool({
      name: 'create_task',
      arguments: { ...helloTask, task_type: 'trace' },
      _meta: { traceparent },
    });
    const task_id = String(structuredContent?.task_id);
    await client.call('acknowledge', { task_id, actor_id: 'model' });
    expect(await app.until(task_id, 'succeeded')).toMatchObject({ traceparent, result: traceparent });
  });

  test('an agent key is never asked: its client would answer for the agent', async () => {
    const app = await createTestApp({ noWorker: true });
    const person = approving();
    const client = await connect(sdk, mcp(app, agentKey), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    expect(person.forms).toEqual([]);
  });

  test('a client without forms is told where the person decides', async () => {
    const app = await createTestApp({ noWorker: true });
    const client = await connect(sdk, mcp(app));
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack', assurance: null });
    expect(ack.structuredContent?.approve_url).toContain(`/ui/approvals/${structuredContent?.task_id}`);
    expect(ack.structuredContent?.next).toContain('doe ack');
  });

  test.each([
    ['declines', { action: 'decline' }],
    ['closes', { action: 'cancel' }],
  ] as const)('a form that the host %s leaves the task awaiting', async (_, reply) => {
    const app = await createTestApp({ noWorker: true });
    const person: Person = { forms: [], answer: () => reply };
    const client = await connect(sdk, mcp(app), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(person.forms).toHaveLength(1);
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack' });
  });

  test('the typed id alone, without a decision, is the yes that the form asks for', async () => {
    const app = await createTestApp({ noWorker: true });
    const person: Person = {
      forms: [],
      answer: ({ message }) => ({ action: 'accept', content: { task_id: typedId(message) } }),
    };
    const client = await connect(sdk, mcp(app), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
  });

  test.each([
    ['an empty form', () => ({}), /without the task's id typed|does not fit/],
    [
      'a decision that the form does not offer',
      (task_id: string) => ({ task_id, decision: 'perhaps' }),
      /neither approve nor reject|does not fit/,
    ],
  ])('%s is no yes, and the model is told why in true words', async (_, filled, why) => {
    const app = await createTestApp({ noWorker: true });
    const person: Person = {
      forms: [],
      answer: ({ message }) => ({ action: 'accept', content: filled(typedId(message)) }),
    };
    const client = await connect(sdk, mcp(app), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    expect(ack.structuredContent?.next).toMatch(why);
  });

  test('a form accepted without the typed id is no yes', async () => {
    const app = await createTestApp({ noWorker: true });
    const person: Person = {
      forms: [],
      answer: () => ({ action: 'accept', content: { task_id: 'yes', decision: 'approve' } }),
    };
    const client = await connect(sdk, mcp(app), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack' });
  });

  test('an explicit reject in the form cancels, with its reason', async () => {
    const app = await createTestApp({ noWorker: true });
    const person: Person = { forms: [], answer: null };
    const typed = approving();
    person.answer = async (form) => {
      const { content } = (await typed.answer?.(form)) ?? {};
      return { action: 'accept', content: { ...content, decision: 'reject', reason: 'Not today.' } };
    };
    const client = await connect(sdk, mcp(app), person);
    const { structuredContent } = await client.call('create_task', helloTask);
    const task_id = String(structuredContent?.task_id);
    const ack = await client.call('acknowledge', { task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'cancelled' });
    expect((await app.dispatcher.store.tasks.get(task_id))?.statusReason).toBe('Not today.');
  });

  test('a wrong field is named, with a code and what to do', async () => {
    const app = await createTestApp({ noWorker: true });
    const client = await connect(sdk, mcp(app));
    const answer = await client.call('create_task', { ...helloTask, project: 'x' });
    expect(answer.isError).toBe(true);
    expect(JSON.parse(answer.content[0]?.text ?? '')).toMatchObject({ ok: false, code: 'invalid_input' });
    expect(answer.content[0]?.text).toContain('project');
  });
});
