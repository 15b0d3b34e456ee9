// HTTP+SSE, for clients that know nothing newer, with both SDK lines that still speak it.
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, operator, sendJson } from '../helpers/raw-http.js';
import { createTestApp, createTestClock, type TestApp } from '../helpers/test-app.js';
import { approving, connect, type Sdk } from '../mcp/clients.js';

const lines: readonly Sdk[] = ['1.x', '2.x legacy'];
const sse = (app: TestApp, key = operator) => ({ kind: 'sse' as const, url: `${app.address}/sse`, key });
const minute = 60_000;
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

/** Resolves each time once the client has sent an answer to the server, and the server has taken it. */
function watchPings({ transport }: { transport: { send(message: object): Promise<void> } }) {
  const send = transport.send.bind(transport);
  let announce = () => {};
  let sent = new Promise<void>((resolve) => (announce = resolve));
  transport.send = async (message) => {
    await send(message);
    if ('result' in message) announce();
  };
  return async () => {
    await sent;
    sent = new Promise<void>((resolve) => (announce = resolve));
  };
}

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

  test("an agent key's flood of lines ends no operator's line", async () => {
    const app = await createTestApp({ noWorker: true });
    const quiet = await open(app);
    const flood: Line[] = [];
    for (let count = 0; count < 101; count += 1) flood.push(await open(app, agent));
    const [first, second] = flood as [Line, Line];
    await Promise.all([first.ended, second.ended]);
    expect((await ping(app, quiet)).status).toBe(202);
    for (const line of [quiet, ...flood]) line.close();
  });

  test('a line that says nothing for half an hour ends; each message begins the time anew', async () => {
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const [silent, talking] = [await open(app), await open(app)];
    clock.advance(29 * minute);
    expect((await ping(app, talking)).status).toBe(202);
    clock.advance(2 * minute);
    expect((await ping(app, silent)).status).toBe(404);
    await silent.ended;
    expect((await ping(app, talking)).status).toBe(202);
    talking.close();
  });

  test('a client that lives stays for as long as it likes: it answers what it is asked from time to time', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const client = await connect('1.x', sse(app));
    const dead = await open(app);
    const answered = watchPings(client.raw);
    for (let round = 0; round < 10; round += 1) {
      clock.advance(4 * minute);
      vi.advanceTimersByTime(3 * minute);
      await answered();
    }
    await dead.ended;
    expect((await client.call('list_tasks')).isError ?? false).toBe(false);
  });

  test('end with the bridge', async () => {
    const app = await createTestApp({ noWorker: true });
    const line = await open(app);
    await app.stop();
    await line.ended;
  });
});
