// Sessions of 2025-era clients over Streamable HTTP. Each belongs to the key that opened it; idle ones end.
import { randomUUID } from 'node:crypto';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { connectionOf } from './connection.js';
import { createMcpServer } from './create-server.js';
import { followNews, type Source } from './news.js';

const most = 100;
const idleMs = 30 * 60_000;

interface Session {
  id: string;
  transport: WebStandardStreamableHTTPServerTransport;
  keyId: string | null;
  usedAt: number;
  /** Requests that are being answered, streams included. */
  busy: number;
  close(): Promise<void>;
}

export interface Sessions {
  fetch(request: Request, caller: Caller): Promise<Response>;
  close(): Promise<void>;
}

export function createSessions({ clock }: Pick<Dispatcher, 'clock'>, source: Source): Sessions {
  const sessions = new Map<string, Session>();
  const sweep = setInterval(() => void endIdle(), idleMs / 10).unref();

  const isOver = ({ usedAt, busy }: Session) => busy === 0 && clock.monotonic() - usedAt > idleMs;

  const endIdle = async () => {
    for (const session of [...sessions.values()].filter(isOver)) await session.close();
  };

  /** The oldest idle one goes first; where none is idle, the oldest. */
  const makeRoom = async () => {
    await endIdle();
    if (sessions.size < most) return;
    const [oldest] = [...sessions.values()].sort((one, other) => one.busy - other.busy || one.usedAt - other.usedAt);
    await oldest?.close();
  };

  /** Not in the list yet: what turns out to be no handshake must not take another's place. */
  const open = async (caller: Caller): Promise<Session> => {
    const id = randomUUID();
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id });
    const server = createMcpServer(source.backend, connectionOf(caller, 'legacy', `session:${id}`));
    const stopNews = followNews(source, server, 'legacy');
    const session: Session = {
      id,
      transport,
      keyId: caller.keyId,
      usedAt: clock.monotonic(),
      busy: 0,
      async close() {
        sessions.delete(id);
        stopNews();
        await server.close();
      },
    };
    await server.connect(transport);
    server.server.onclose = () => {
      sessions.delete(id);
      stopNews();
    };
    return session;
  };

  const find = async (request: Request, caller: Caller): Promise<Session | null> => {
    const session = sessions.get(request.headers.get('mcp-session-id') ?? '');
    // Another key's session is as good as none: its id must not tell that it exists.
    if (session === undefined || session.keyId !== caller.keyId) return null;
    if (!isOver(session)) return session;
    await session.close();
    return null;
  };

  const begin = async (request: Request, caller: Caller): Promise<Response> => {
    const session = await open(caller);
    const response = await answer(session, request, clock.monotonic);
    if (!response.ok) {
      await session.close();
      return response;
    }
    await makeRoom();
    sessions.set(session.id, session);
    return response;
  };

  return {
    async fetch(request, caller) {
      if (request.headers.has('mcp-session-id')) {
        const session = await find(request, caller);
        return session === null ? refuse(404, -32_001, 'Session not found') : answer(session, request, clock.monotonic);
      }
      if (request.method !== 'POST') return refuse(400, -32_000, 'Bad Request: Mcp-Session-Id header is required');
      return begin(request, caller);
    },
    async close() {
      clearInterval(sweep);
      for (const session of [...sessions.values()]) await session.close();
    },
  };
}

async function answer(session: Session, request: Request, now: () => number): Promise<Response> {
  session.usedAt = now();
  session.busy += 1;
  const done = () => {
    session.busy -= 1;
    session.usedAt = now();
  };
  const response = await session.transport.handleRequest(request);
  if (response.body !== null) return new Response(whenOver(response.body, done), response);
  done();
  return response;
}

/** The same stream; `over` is called once it has ended, whichever side ended it. */
function whenOver(body: ReadableStream<Uint8Array>, over: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read().catch((error: unknown) => {
        over();
        throw error;
      });
      if (!done) return controller.enqueue(value);
      over();
      controller.close();
    },
    cancel(reason) {
      over();
      return reader.cancel(reason);
    },
  });
}

const refuse = (status: number, code: number, message: string): Response =>
  Response.json({ jsonrpc: '2.0', error: { code, message }, id: null }, { status });
