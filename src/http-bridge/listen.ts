// A listening server. `close` ends open connections: streams would otherwise hold a stop for ever.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, type HttpBindings } from '@hono/node-server';
import { addressOf } from '../address.js';
import { DispatcherError } from '../errors.js';
import { isLoopback } from '../exposure.js';
import type { HttpApp } from './index.js';
import { readRest } from './rest-of-body.js';
import { refuseUnreadable } from './unreadable.js';

export interface Listener {
  /** Such as `http://127.0.0.1:3001`. */
  address: string;
  /** Every address of this machine at which it alone answers, the one above first. */
  addresses: readonly string[];
  /** Takes no more requests, lets `endStreams` say its last words, and ends what is still open half a second later. */
  close(endStreams: () => Promise<void>): Promise<void>;
}

const lastWordsMs = 500;

/** @throws DispatcherError `port_in_use`, `config_invalid` */
export function listen(fetch: HttpApp['fetch'], { host, port }: { host: string; port: number }): Promise<Listener> {
  const server = createAdaptorServer({
    async fetch(request, env) {
      const { incoming, outgoing } = env as HttpBindings;
      const answer = await fetch(request, env as HttpBindings);
      if (!outgoing.headersSent) await readRest(incoming);
      return answer;
    },
    overrideGlobalObjects: false,
  }) as Server;
  const underWay = followAnswers(server);
  server.on('clientError', refuseUnreadable);
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, () => {
      const { port: bound, address } = server.address() as AddressInfo;
      // `localhost` may be either of two addresses, and the other one somebody else's.
      const own = addressOf(isLoopback(host) ? address : host, bound);
      resolve({
        address: own,
        addresses: host === '::' ? [own, addressOf('127.0.0.1', bound)] : [own],
        async close(endStreams) {
          const closed = once(server, 'close');
          server.close();
          await endStreams();
          await underWay.over(lastWordsMs);
          server.closeAllConnections();
          await closed;
        },
      });
    });
  });
}

/** Resolves `over` once every answer that was begun has been sent, or given up. */
function followAnswers(server: Server): { over(atMostMs: number): Promise<void> } {
  let count = 0;
  let sent = () => {};
  server.on('request', (_, response) => {
    count += 1;
    response.once('close', () => {
      count -= 1;
      if (count === 0) sent();
    });
  });
  return {
    over: (atMostMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, atMostMs);
        sent = () => {
          clearTimeout(timer);
          resolve();
        };
        if (count === 0) sent();
      }),
  };
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): DispatcherError {
  if (error.code === 'EADDRINUSE') {
    return new DispatcherError('port_in_use', `Something else listens on ${host}:${port} already.`, {
      hint: `See which with \`ss -ltnp 'sport = :${port}'\`; stop it, or set PORT to another one (PORT=0 takes a free one).`,
      cause: error,
    });
  }
  return new DispatcherError('config_invalid', `${host}:${port} cannot be listened on: ${error.message}.`, {
    hint: 'Correct HOST and PORT.',
    cause: error,
  });
}
