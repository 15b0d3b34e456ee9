import { Client } from '@modelcontextprotocol/client';
import { InMemoryTransport } from '@modelcontextprotocol/server';
import { expect, onTestFinished, test } from 'vitest';
import { createMcpServer } from '../../src/mcp/create-server.js';
import { createTask } from '../../src/tools/index.js';
import { callers, createTestApp, type TestApp } from '../helpers/test-app.js';
import { type Form, type FormReply, typedId } from './clients.js';

/** A line whose calls wait for no form, with a person who answers when the test says so. */
async function impatientLine(app: TestApp) {
  const shown: { form: Form; reply: (answer: FormReply) => void }[] = [];
  let announce = () => {};
  const asked = new Promise<void>((resolve) => (announce = resolve));
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: { form: {} } } });
  client.setRequestHandler('elicitation/create', async ({ params }) => {
    const answer = new Promise<FormReply>((reply) => shown.push({ form: params as unknown as Form, reply }));
    announce();
    return { ...(await answer) };
  });
  const connection = { era: 'legacy', caller: callers.stdio, id: 'line', mayAsk: true, openForms: new Map() } as const;
  const server = createMcpServer(async () => app.dispatcher, connection, 0);
  const [near, far] = InMemoryTransport.createLinkedPair();
  await Promise.all([server.connect(far), client.connect(near)]);
  onTestFinished(() => client.close());
  return { client, shown, asked };
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
  const { client, shown, asked } = await impatientLine(app);
  const first = await client.callTool({ name: 'acknowledge', arguments: { task_id, actor_id: 'm' } });
  expect(first.structuredContent).toMatchObject({ status: 'awaiting_ack' });
  await asked;
  shown[0]?.reply(yes(shown[0].form));
  expect(await app.until(task_id, 'queued')).toMatchObject({ assurance: 'client' });
});

test('a second call while the form is open asks no second time', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { client, shown, asked } = await impatientLine(app);
  const call = () => client.callTool({ name: 'acknowledge', arguments: { task_id, actor_id: 'm' } });
  await call();
  await asked;
  await call();
  expect(shown).toHaveLength(1);
});

test('a late yes to what has changed since is none', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { client, shown, asked } = await impatientLine(app);
  await client.callTool({ name: 'acknowledge', arguments: { task_id, actor_id: 'm' } });
  await asked;
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  const events = async () =>
    (await app.dispatcher.store.ledger.events({ taskId: task_id, limit: 50 })).map(({ type }) => type);
  const repinned = new Promise<void>((resolve) => {
    const stop = app.dispatcher.store.watch(async () => {
      if (!(await events()).includes('pinned_anew')) return;
      stop();
      resolve();
    });
  });
  shown[0]?.reply(yes(shown[0].form));
  await repinned;
  expect((await app.dispatcher.store.tasks.get(task_id))?.status).toBe('awaiting_ack');
});
