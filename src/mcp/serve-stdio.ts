// MCP over stdio. stdout belongs to the protocol: whatever else in this process prints there goes to stderr.
import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { StdioServerTransport, serveStdio as serveLine } from '@modelcontextprotocol/server/stdio';
import type { Log } from '../log.js';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { Connection } from './connection.js';
import { createMcpServer } from './create-server.js';
import { createSource, followNews } from './news.js';

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

export function serveStdio({ dispatcher, need, log, onEnd }: ServeStdioOptions): { close(): Promise<void> } {
  dispatcher.catch(() => {});
  const stdout = claimStdout();
  // The transport does not tell when its stream ends.
  process.stdin.once('end', onEnd);
  process.stdin.once('close', onEnd);
  process.stdout.once('error', onEnd);

  const id = randomUUID();
  const source = createSource(dispatcher, need);
  const stops: (() => void)[] = [];
  const line = serveLine(
    ({ era }) => {
      const connection: Connection = { era, caller, id, mayAsk: true, openForms: new Map() };
      const server = createMcpServer(source.backend, connection);
      stops.push(followNews(source, server, era));
      return server;
    },
    {
      transport: new StdioServerTransport(process.stdin, stdout),
      onerror: (error) => log.debug('mcp.line_error', { error }),
    },
  );
  return {
    async close() {
      for (const stop of stops) stop();
      source.stop();
      await line.close();
    },
  };
}

/** Takes the real stdout for the protocol; `console.log` and `process.stdout.write` of anybody else become stderr. */
function claimStdout(): Writable {
  const write = process.stdout.write.bind(process.stdout);
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  return new Writable({
    decodeStrings: false,
    write: (chunk: string, encoding, done) => void write(chunk, encoding, done),
  });
}
