// HTTP+SSE, for clients that know nothing newer, with both SDK lines that still speak it.
import { describe, expect, test } from 'vitest';
import { agent, operator, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp } from '../helpers/test-app.js';
import { approving, connect, type Sdk } from '../mcp/clients.js';

const lines: readonly Sdk[] = ['1.x', '2.x legacy'];
const sse = (app: TestApp, key = operator) => ({ kind: 'sse' as const, url: `${app.address}/sse`, key });
const hello = { task_type: 'hello', project_id: 'p1', actor_id: 'model' };

interface Line {
  /** Where its messages go, as the server said. */
  endpoint: string;
  /** Resolves when the server ends the line. */
  ended: Promise<void>;
  close(): void;
}

async function open(app: TestApp, key = operator): Promise<Line> {
  const leaving = new AbortController();
  const response = await fetch(`${app.address}/sse`, {
    headers: { Accept: 'text/event-stream', Authorization: `Bearer ${key}` },
    signal: leaving.signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = new TextDecoder().decode((await reader.read()).value);
  const endpoint = /data: (\S+)/.exec(first)?.[1] ?? '';
  const drain = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  return { endpoint, ended: drain().catch(() => {}), close: () => leaving.abort() };
}

const ping = (app: TestApp, { endpoint }: Line, key = operator) =>
  sendJson(app, 'POST', endpoint, { json: { jsonrpc: '2.0', id: 1, method: 'ping' }, key });

describe.each(lines)('SDK %s', (sdk) => {
  test('does the whole job: create, a form that the person answers, run, result', async () => {
    const app = await createTestApp();
    const person = approving();
    const client = await connect(sdk, sse(app), person);
    const created = await client.call('create_task', hello);
    const task_id = String(created.structuredContent?.task_id);
    const ack = await client.call('acknowledge', { task_id, actor_id: 'model' });
    expect(ack.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
    expect(JSON.stringify(ack)).not.toContain('ack_token');
    expect(person.forms).toHaveLength(1);
    await app.until(task_id, 'succeeded');
    const status = await client.call('task_status', { task_id });
    expect(status.structuredContent?.task).toMatchObject({ result: { said: 'hello' } });
  });

  test('an agent key is never asked', async () => {
    const app = await createTestApp({ noWorker: true });
    const person = approving();
    const client = await connect(sdk, sse(app, agent), person);
    const { structuredContent } = await client.call('create_task', hello);
    const ack = await client.call('acknowledge', { task_id: structuredContent?.task_id, actor_id: 'jo' });
    expect(ack.structuredContent).toMatchObject({ status: 'awaiting_ack' });
    expect(person.forms).toEqual([]);
  });
});

describe('lines', () => {
  test("are their key's alone, and gone once they are closed", async () => {
    const app = await createTestApp({ noWorker: true });
    const line = await open(app);
    expect(line.endpoint).toMatch(/^\/messages\?sessionId=[0-9a-f-]{36}$/);
    expect((await ping(app, line)).status).toBe(202);
    expect((await ping(app, line, agent)).status).toBe(404);
    expect((await ping(app, line, 'wrong')).status).toBe(401);
    expect((await sendJson(app, 'POST', '/messages?sessionId=made-up', { json: {} })).status).toBe(404);
    expect((await sendJson(app, 'POST', '/messages', { json: {} })).status).toBe(404);
  });

  test('other methods are refused', async () => {
    const app = await createTestApp({ noWorker: true });
    expect((await sendJson(app, 'POST', '/sse', { json: {} })).status).toBe(405);
    expect((await sendJson(app, 'GET', '/messages')).status).toBe(405);
    expect((await sendJson(app, 'HEAD', '/sse')).status).toBe(405);
  });

  test('what is no message is refused and leaves the line as it is', async () => {
    const app = await createTestApp({ noWorker: true });
    const line = await open(app);
    const { status } = await sendJson(app, 'POST', line.endpoint, { json: 'no json' });
    expect(status).toBe(400);
    expect((await sendJson(app, 'POST', line.endpoint, { json: { x: 'y'.repeat(5_000_000) } })).status).toBeLessThan(
      500,
    );
    expect((await ping(app, line)).status).toBe(202);
  });

  test('a hundred at most: the one that was silent longest makes room', async () => {
    const app = await createTestApp({ noWorker: true });
    const opened: Line[] = [];
    for (let count = 0; count < 100; count += 1) opened.push(await open(app));
    const [first, second, third] = opened as [Line, Line, Line];
    expect((await ping(app, first)).status).toBe(202);
    opened.push(await open(app));
    await second.ended;
    expect((await ping(app, second)).status).toBe(404);
    expect([(await ping(app, first)).status, (await ping(app, third)).status]).toEqual([202, 202]);
    for (const line of opened) line.close();
  });

  test('end with the bridge', async () => {
    const app = await createTestApp({ noWorker: true });
    const line = await open(app);
    await app.stop();
    await line.ended;
  });
});
