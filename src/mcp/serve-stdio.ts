// MCP over stdio. stdout belongs to the protocol: whatever else in this process prints there goes to stderr.
import { randomUUID } from 'node:crypto';
import { serveStdio as serveLine } from '@modelcontextprotocol/server/stdio';
import type { Log } from '../log.js';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { Connection } from './connection.js';
import { createMcpServer } from './create-server.js';
import { createSource, followNews } from './news.js';
import { createStdioLine, type StdioLineOptions } from './stdio-line.js';

export interface ServeStdioOptions {
  /** Rejects with a DispatcherError where there is no home to work in: every tool then says so. */
  dispatcher: Promise<Dispatcher>;
  /** A call wants the dispatcher. */
  need: () => void;
  log: Log;
  /** The client closed its end. */
  onEnd: () => void;
}

const caller: Caller = { principal: 'agent', channel: 'stdio', keyId: null, person: null };

export interface StdioServer {
  /** Whatever waits, for a change or for a person, is answered now; resolves once all that was asked is answered. */
  finish(): Promise<void>;
  /** Leaves what is not answered yet unanswered. */
  close(): Promise<void>;
}

export function serveStdio({ dispatcher, need, log, onEnd }: ServeStdioOptions): StdioServer {
  dispatcher.catch(() => {});
  const { transport, answered } = createStdioLine({ stdin: process.stdin, write: claimStdout(), onEnd });

  const ended = new AbortController();
  const id = randomUUID();
  const source = createSource(dispatcher, need);
  const stops: (() => void)[] = [];
  const server = serveLine(
    ({ era }) => {
      const connection: Connection = { era, caller, id, mayAsk: true, openForms: new Map(), ended: ended.signal };
      const instance = createMcpServer(source.backend, connection);
      stops.push(followNews(source, instance, era));
      return instance;
    },
    {
      transport,
      onerror: (error) => log.debug('mcp.line_error', { error }),
    },
  );
  return {
    finish() {
      ended.abort();
      return answered();
    },
    async close() {
      for (const stop of stops) stop();
      source.stop();
      await server.close();
    },
  };
}

/** Takes the real stdout for the protocol; `console.log` and `process.stdout.write` of anybody else become stderr. */
function claimStdout(): StdioLineOptions['write'] {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  return (text, done) => void write(text, done);
}
