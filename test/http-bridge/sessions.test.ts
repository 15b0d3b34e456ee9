// Sessions of 2025-era clients: bound to their key, a hundred at most, ended when idle or when asked.
import { describe, expect, onTestFinished, test } from 'vitest';
import { createSource } from '../../src/mcp/news.js';
import { createSessions } from '../../src/mcp/sessions.js';
import { agent, operator } from '../helpers/raw-http.js';
import { callers, createTestApp, createTestClock, type TestApp } from '../helpers/test-app.js';

const minute = 60_000;

interface Ask {
  session?: string;
  key?: string;
  method?: string;
  message?: object;
  signal?: AbortSignal;
}

const handshake = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

const ask = (app: TestApp, { session, key = operator, method = 'POST', message, signal }: Ask): Promise<Response> =>
  fetch(`${app.address}/mcp`, {
    method,
    headers: {
      Authorization: `Bearer ${key}`,
      Accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
      ...(message === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...(session === undefined ? {} : { 'Mcp-Session-Id': session }),
    },
    ...(message === undefined ? {} : { body: JSON.stringify(message) }),
    ...(signal === undefined ? {} : { signal }),
  });

async function open(app: TestApp, key = operator): Promise<string> {
  const response = await ask(app, { message: handshake, key });
  await response.text();
  const session = response.headers.get('mcp-session-id') ?? '';
  const ready = await ask(app, { session, key, message: { jsonrpc: '2.0', method: 'notifications/initialized' } });
  expect([response.status, ready.status]).toEqual([200, 202]);
  return session;
}

/** The status of a list of tools: 200 while the session lives, else 404. */
async function status(app: TestApp, session: string, key = operator): Promise<number> {
  const response = await ask(app, { session, key, message: { jsonrpc: '2.0', id: 2, method: 'tools/list' } });
  const text = await response.text();
  if (response.status === 200) expect(text).toContain('create_task');
  return response.status;
}

describe('one session', () => {
  test('lives from its handshake to its DELETE', async () => {
    const app = await createTestApp({ noWorker: true });
    const session = await open(app);
    expect(await status(app, session)).toBe(200);
    expect((await ask(app, { session, method: 'DELETE' })).status).toBe(200);
    expect(await status(app, session)).toBe(404);
    expect((await ask(app, { session, method: 'DELETE' })).status).toBe(404);
  });

  test.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])(
    'speaks revision %s to who asks for it',
    async (revision) => {
      const app = await createTestApp({ noWorker: true });
      const message = { ...handshake, params: { ...handshake.params, protocolVersion: revision } };
      const response = await ask(app, { message });
      expect(await response.text()).toContain(`"protocolVersion":"${revision}"`);
    },
  );

  test("is its key's alone: for any other it is not there", async () => {
    const app = await createTestApp({ noWorker: true });
    const session = await open(app);
    expect(await status(app, session, agent)).toBe(404);
    expect((await ask(app, { session, key: agent, method: 'DELETE' })).status).toBe(404);
    expect((await ask(app, { session, key: agent, method: 'GET' })).status).toBe(404);
    expect((await ask(app, { session, key: 'wrong' })).status).toBe(401);
    expect(await status(app, session)).toBe(200);
  });

  test('a call without one, that is no handshake, opens none', async () => {
    const app = await createTestApp({ noWorker: true });
    const response = await ask(app, { message: { jsonrpc: '2.0', id: 2, method: 'tools/list' } });
    expect([response.status, response.headers.get('mcp-session-id')]).toEqual([400, null]);
    expect((await ask(app, { method: 'GET' })).status).toBe(400);
    expect((await ask(app, { method: 'DELETE' })).status).toBe(400);
    expect(await status(app, 'made-up')).toBe(404);
  });

  test('ends when it was idle for half an hour; each use begins the time anew', async () => {
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const session = await open(app);
    for (const _ of [1, 2, 3]) {
      clock.advance(29 * minute);
      expect(await status(app, session)).toBe(200);
    }
    clock.jump(24 * 60 * minute);
    expect(await status(app, session)).toBe(200);
    clock.advance(30 * minute + 1);
    expect(await status(app, session)).toBe(404);
  });

  test('does not end while its client listens, and ends with the bridge', async () => {
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const session = await open(app);
    const listening = await ask(app, { session, method: 'GET' });
    expect(listening.status).toBe(200);
    clock.advance(60 * minute);
    expect(await status(app, session)).toBe(200);
    const ended = listening.text().then(
      () => 'ended',
      () => 'ended',
    );
    await app.stop();
    expect(await ended).toBe('ended');
  });
});

test('a client that stopped listening and listens again is not idle; when it has left for good, its session ends', async () => {
  const clock = createTestClock();
  const { dispatcher } = await createTestApp({ noWorker: true, clock });
  const source = createSource(Promise.resolve(dispatcher));
  const sessions = createSessions(dispatcher, source);
  onTestFinished(async () => {
    source.stop();
    await sessions.close();
  });
  const call = (method: string, session: string | null, body?: string) => {
    const headers = new Headers({
      Accept: method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream',
    });
    if (body !== undefined) headers.set('Content-Type', 'application/json');
    if (session !== null) headers.set('Mcp-Session-Id', session);
    return sessions.fetch(
      new Request('http://127.0.0.1/mcp', { method, headers, body: body ?? null }),
      callers.operator,
    );
  };
  const opened = await call('POST', null, JSON.stringify(handshake));
  await opened.text();
  const session = opened.headers.get('mcp-session-id');
  await (await call('GET', session)).body?.cancel();
  const listening = await call('GET', session);
  clock.advance(60 * minute);
  const ping = await call('POST', session, JSON.stringify({ jsonrpc: '2.0', id: 3, method: 'ping' }));
  expect(ping.status).toBe(200);
  await ping.text();
  await listening.body?.cancel();
  clock.advance(30 * minute + 1);
  expect((await call('GET', session)).status).toBe(404);
});

describe('a hundred sessions', () => {
  test('the one that was idle longest makes room; who listens stays, and no handshake takes no place', async () => {
    const clock = createTestClock();
    const app = await createTestApp({ noWorker: true, clock });
    const sessions: string[] = [];
    for (let count = 0; count < 100; count += 1) {
      sessions.push(await open(app, count % 2 === 0 ? operator : agent));
      clock.advance(1000);
    }
    const [first = '', second = '', third = '', fourth = '', fifth = ''] = sessions;
    const leaving = new AbortController();
    expect((await ask(app, { session: first, method: 'GET', signal: leaving.signal })).status).toBe(200);
    clock.advance(1000);
    expect(await status(app, third)).toBe(200);
    for (let count = 0; count < 5; count += 1)
      expect((await ask(app, { message: { jsonrpc: '2.0', id: 2, method: 'tools/list' } })).status).toBe(400);
    expect(await status(app, second, agent)).toBe(200);
    clock.advance(1000);
    await open(app);
    // The first listens, the second and third were used just now: the fourth was idle longest.
    expect(await status(app, fourth, agent)).toBe(404);
    for (const [session, key] of [
      [first, operator],
      [second, agent],
      [third, operator],
      [fifth, operator],
    ] as const)
      expect(await status(app, session, key)).toBe(200);
    leaving.abort();
  });
});
