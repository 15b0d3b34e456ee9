// HTTP+SSE, the transport of protocol revision 2024-11-05, for clients that know nothing newer. Delete this file, its
// import in serve-http.ts and the dependency when they are gone.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/server-legacy/sse';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { connectionOf } from './connection.js';
import { createMcpServer } from './create-server.js';
import { createLines, type Line } from './lines.js';
import { followNews, type Source } from './news.js';

interface SseLine extends Line {
  transport: SSEServerTransport;
  ping(): Promise<unknown>;
}

export interface SseLines {
  /** Answers `GET /sse` and `POST /messages?sessionId=…` on Node's own objects. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller): Promise<void>;
  close(): Promise<void>;
}

export function createSseLines({ clock, log }: Pick<Dispatcher, 'clock' | 'log'>, source: Source): SseLines {
  // A client that lives answers a ping, which counts as use: only a dead one is silent for so long that its line ends.
  const lines = createLines<SseLine>({ clock, log }, ({ ping }) => void ping().catch(() => {}));

  const open = async (outgoing: ServerResponse, caller: Caller) => {
    const transport = new SSEServerTransport('/messages', outgoing);
    const id = transport.sessionId;
    const connection = connectionOf(caller, 'legacy', `sse:${id}`);
    const server = createMcpServer(source.backend, connection);
    const stopNews = followNews(source, server, 'legacy');
    const line: SseLine = {
      id,
      transport,
      connection,
      usedAt: clock.monotonic(),
      busy: 0,
      ping: () => server.server.ping(),
      async close() {
        lines.remove(line);
        stopNews();
        await server.close();
      },
    };
    await lines.add(line);
    outgoing.once('close', () => void lines.end(line));
    if (outgoing.destroyed) await lines.end(line);
    else await server.connect(transport);
  };

  const deliver = async (incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller) => {
    const id = new URL(incoming.url ?? '', 'http://localhost').searchParams.get('sessionId') ?? '';
    const line = await lines.find(id, caller);
    if (line === null) {
      outgoing.writeHead(404, { 'Content-Type': 'text/plain' }).end('Session not found');
      return;
    }
    await line.transport.handlePostMessage(incoming, outgoing);
  };

  return {
    async handle(incoming, outgoing, caller) {
      if (incoming.method === 'GET' && incoming.url?.startsWith('/sse')) return open(outgoing, caller);
      if (incoming.method === 'POST' && incoming.url?.startsWith('/messages'))
        return deliver(incoming, outgoing, caller);
      outgoing.writeHead(405, { Allow: incoming.url?.startsWith('/sse') ? 'GET' : 'POST' }).end();
    },
    close: () => lines.close(),
  };
}
