// Sessions of 2025-era clients over Streamable HTTP, each a line of its own.
import { randomUUID } from 'node:crypto';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { connectionOf } from './connection.js';
import { createMcpServer } from './create-server.js';
import { createLines, type Line } from './lines.js';
import { followNews, type Source } from './news.js';

interface Session extends Line {
  transport: WebStandardStreamableHTTPServerTransport;
}

export interface Sessions {
  fetch(request: Request, caller: Caller): Promise<Response>;
  close(): Promise<void>;
}

export function createSessions({ clock, log }: Pick<Dispatcher, 'clock' | 'log'>, source: Source): Sessions {
  const sessions = createLines<Session>({ clock, log });

  /** Not in the list yet: what turns out to be no handshake must not take another's place. */
  const open = async (caller: Caller): Promise<Session> => {
    const id = randomUUID();
    const transport = new WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => id });
    const connection = connectionOf(caller, 'legacy', `session:${id}`);
    const server = createMcpServer(source.backend, connection);
    const stopNews = followNews(source, server, 'legacy');
    const session: Session = {
      id,
      transport,
      connection,
      usedAt: clock.monotonic(),
      busy: 0,
      async close() {
        sessions.remove(session);
        stopNews();
        await server.close();
      },
    };
    await server.connect(transport);
    server.server.onclose = () => {
      sessions.remove(session);
      stopNews();
    };
    return session;
  };

  const begin = async (request: Request, caller: Caller): Promise<Response> => {
    const session = await open(caller);
    const response = await answer(session, request, clock.monotonic);
    if (!response.ok) {
      await session.close();
      return response;
    }
    await sessions.add(session);
    return response;
  };

  return {
    async fetch(request, caller) {
      const id = request.headers.get('mcp-session-id');
      if (id !== null) {
        const session = await sessions.find(id, caller);
        return session === null ? refuse(404, -32_001, 'Session not found') : answer(session, request, clock.monotonic);
      }
      if (request.method !== 'POST') return refuse(400, -32_000, 'Bad Request: Mcp-Session-Id header is required');
      return begin(request, caller);
    },
    close: () => sessions.close(),
  };
}

async function answer(session: Session, request: Request, now: () => number): Promise<Response> {
  session.usedAt = now();
  session.busy += 1;
  let over = false;
  /** Counts once: the two sides of a stream may both end it. */
  const done = () => {
    if (over) return;
    over = true;
    session.busy -= 1;
    session.usedAt = now();
  };
  try {
    const response = await session.transport.handleRequest(request);
    if (response.body !== null) return new Response(whenOver(response.body, done), response);
    done();
    return response;
  } catch (error) {
    done();
    throw error;
  }
}

/** The same stream; `over` is called when it has ended, by each side that ended it. */
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
