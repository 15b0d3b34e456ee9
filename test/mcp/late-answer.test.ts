import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Connection } from '../../src/mcp/connection.js';
import { createMcpServer } from '../../src/mcp/create-server.js';
import { createTask } from '../../src/tools/index.js';
import { callers, createTestApp, createTestClock, type TestApp } from '../helpers/test-app.js';
import { type Form, type FormReply, typedId } from './clients.js';

/** A line with a person who answers when the test says so; its calls wait for no form unless told how long. */
async function slowPerson(app: TestApp, ...waitMs: [number?]) {
  const shown: { form: Form; reply: (answer: FormReply) => void }[] = [];
  let announce = () => {};
  const asked = new Promise<void>((resolve) => (announce = resolve));
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    const answer = new Promise<FormReply>((reply) => shown.push({ form: params as unknown as Form, reply }));
    announce();
    return { ...(await answer) };
  });
  const connection: Connection = {
    era: 'legacy',
    caller: callers.stdio,
    id: 'line',
    mayAsk: true,
    openForms: new Map(),
  };
  const server = createMcpServer(async () => app.dispatcher, connection, ...waitMs);
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  onTestFinished(() => client.close());
  const acknowledge = async (task_id: string) => {
    const answer = await client.callTool({ name: 'acknowledge', arguments: { task_id, actor_id: 'm' } });
    return answer.structuredContent as { status: string; next: string };
  };
  return { client, connection, shown, asked, acknowledge };
}

const yes = ({ message }: Form): FormReply => ({
  action: 'accept',
  content: { task_id: typedId(message), decision: 'approve' },
});

const newTask = async (app: TestApp): Promise<string> =>
  (await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'm' })).task_id;

test('a call does not wait for ever, and a form that is answered later counts', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { shown, asked, acknowledge } = await slowPerson(app, 0);
  const first = await acknowledge(task_id);
  expect(first.status).toBe('awaiting_ack');
  expect(first.next).toContain('Stop here');
  expect(first.next).toContain(`doe ack ${task_id}`);
  await asked;
  shown[0]?.reply(yes(shown[0].form));
  expect(await app.until(task_id, 'queued')).toMatchObject({ assurance: 'client' });
});

test('no form holds a call for more than 45 seconds', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { asked, acknowledge } = await slowPerson(app);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const answer = acknowledge(task_id);
  await asked;
  await vi.advanceTimersByTimeAsync(45_000);
  expect(await answer).toMatchObject({ status: 'awaiting_ack' });
});

test('a form that nobody answers in ten minutes leaves the task awaiting, and an answer after that is none', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const task_id = await newTask(app);
  const { shown, asked, acknowledge, connection } = await slowPerson(app, 0);
  await acknowledge(task_id);
  await asked;
  const [form] = connection.openForms.values();
  clock.advance(10 * 60_000 + 1);
  shown[0]?.reply(yes(shown[0].form));
  expect(await form).toMatchObject({ status: 'awaiting_ack', next: expect.stringContaining('too late') });
  expect((await app.dispatcher.store.tasks.get(task_id))?.status).toBe('awaiting_ack');
});

test('a second call while the form is open asks no second time', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { shown, asked, acknowledge } = await slowPerson(app, 0);
  await acknowledge(task_id);
  await asked;
  await acknowledge(task_id);
  expect(shown).toHaveLength(1);
});

test('a line knows of its open forms, until they are answered', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { shown, asked, acknowledge, connection } = await slowPerson(app, 0);
  await acknowledge(task_id);
  await asked;
  expect(connection.openForms.size).toBe(1);
  const [form] = connection.openForms.values();
  shown[0]?.reply({ action: 'decline' });
  expect(await form).toMatchObject({ status: 'awaiting_ack' });
  expect(connection.openForms.size).toBe(0);
});

test('a late yes to what has changed since is none', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { shown, asked, acknowledge, connection } = await slowPerson(app, 0);
  await acknowledge(task_id);
  await asked;
  const [form] = connection.openForms.values();
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  shown[0]?.reply(yes(shown[0].form));
  await expect(form).rejects.toMatchObject({ code: 'changed_since_shown' });
  expect((await app.dispatcher.store.tasks.get(task_id))?.status).toBe('awaiting_ack');
});
