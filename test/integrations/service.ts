// A small local server in a service's place: it notes what is sent and answers what the test says.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Time } from '../../src/integrations/time.js';

export interface Sent {
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string | undefined>;
  body: Buffer;
  json(): unknown;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  json?: unknown;
  body?: string | Buffer;
  /** Cuts the connection in place of an answer. */
  cut?: boolean;
  /** Takes the request and says nothing. */
  silent?: boolean;
}

export interface Service {
  url: string;
  sent: Sent[];
}

/** Answers each request by `reply`, which gets it with how many came before. */
export async function startService(reply: (request: Sent, before: number) => Reply | Promise<Reply>): Promise<Service> {
  const sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', 'http://service');
    const body = Buffer.concat(chunks);
    const one: Sent = {
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers as Record<string, string | undefined>,
      body,
      json: () => JSON.parse(body.toString('utf8')),
    };
    sent.push(one);
    const answer = await reply(one, sent.length - 1);
    if (answer.silent) return;
    if (answer.cut) {
      request.socket.destroy();
      return;
    }
    const content = answer.json === undefined ? (answer.body ?? '') : JSON.stringify(answer.json);
    const type = answer.json === undefined ? {} : { 'content-type': 'application/json' };
    response.writeHead(answer.status ?? 200, { ...type, ...answer.headers }).end(content);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent };
}

/** Time in which every pause is over at once, and counts. */
export function createTestTime(): Time & { pauses: number[] } {
  const pauses: number[] = [];
  let now = 0;
  return {
    pauses,
    now: () => now,
    async pause(ms, signal) {
      signal?.throwIfAborted();
      pauses.push(ms);
      now += ms;
    },
  };
}

/** The context of a call, with this home. */
export const contextOf = (home = '/nowhere') => ({ home, idempotencyKey: 'run_1:test' });
