// HTTP+SSE, the transport of protocol revision 2024-11-05, for clients that know nothing newer. Delete this file, its
// import in serve-http.ts and the dependency when they are gone.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SSEServerTransport } from '@modelcontextprotocol/server-legacy/sse';
import type { Caller } from '../tasks/task.js';
import { connectionOf } from './connection.js';
import { createMcpServer } from './create-server.js';
import { followNews, type Source } from './news.js';

const most = 100;

export interface SseLines {
  /** Answers `GET /sse` and `POST /messages?sessionId=…` on Node's own objects. */
  handle(incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller): Promise<void>;
  close(): Promise<void>;
}

export function createSseLines(source: Source): SseLines {
  const lines = new Map<string, { transport: SSEServerTransport; keyId: string | null; close(): Promise<void> }>();

  const open = async (outgoing: ServerResponse, caller: Caller) => {
    // The one that was silent longest goes first: a Map keeps the order of setting, and each message sets its line anew.
    if (lines.size >= most) await lines.values().next().value?.close();
    const transport = new SSEServerTransport('/messages', outgoing);
    const id = transport.sessionId;
    const server = createMcpServer(source.backend, connectionOf(caller, 'legacy', `sse:${id}`));
    const stopNews = followNews(source, server, 'legacy');
    const close = async () => {
      lines.delete(id);
      stopNews();
      await server.close();
    };
    lines.set(id, { transport, keyId: caller.keyId, close });
    outgoing.once('close', () => void close());
    await server.connect(transport);
  };

  const deliver = async (incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller) => {
    const id = new URL(incoming.url ?? '', 'http://localhost').searchParams.get('sessionId') ?? '';
    const line = lines.get(id);
    if (line !== undefined && line.keyId === caller.keyId) {
      lines.delete(id);
      lines.set(id, line);
      return line.transport.handlePostMessage(incoming, outgoing);
    }
    outgoing.writeHead(404, { 'Content-Type': 'text/plain' }).end('Session not found');
  };

  return {
    async handle(incoming, outgoing, caller) {
      if (incoming.method === 'GET' && incoming.url?.startsWith('/sse')) return open(outgoing, caller);
      if (incoming.method === 'POST' && incoming.url?.startsWith('/messages'))
        return deliver(incoming, outgoing, caller);
      outgoing.writeHead(405, { Allow: incoming.url?.startsWith('/sse') ? 'GET' : 'POST' }).end();
    },
    async close() {
      for (const line of [...lines.values()]) await line.close();
    },
  };
}
