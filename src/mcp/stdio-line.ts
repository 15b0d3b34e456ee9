// MCP's line over stdio: one JSON-RPC message a line (MCP 2025-11-25, "Transports"). The SDK's own transport closes when stdin
// ends, however much of what was asked is unanswered, and knows no batches; this one goes on until it is closed.
import type { Readable } from 'node:stream';
import {
  type JSONRPCMessage,
  parseJSONRPCMessage,
  STDIO_DEFAULT_MAX_BUFFER_SIZE,
  type Transport,
} from '@modelcontextprotocol/server';
import { type Batch, createOpenRequests, newBatch } from './open-requests.js';

/** The revisions whose receivers must take batches (MCP 2025-03-26, base protocol, "Batching"); later ones know none. */
const batching: readonly unknown[] = ['2024-11-05', '2025-03-26'];

export interface StdioLineOptions {
  stdin: Readable;
  write: (text: string, done: (error?: Error | null) => void) => void;
  /** The client closed its end. */
  onEnd: () => void;
}

export interface StdioLine {
  transport: Transport;
  /** Resolves once each request that came has its answer, written out, or was taken back; or the line has closed. */
  answered(): Promise<void>;
}

export function createStdioLine({ stdin, write, onEnd }: StdioLineOptions): StdioLine {
  const send = (message: JSONRPCMessage | JSONRPCMessage[]) =>
    new Promise<void>((resolve, reject) => {
      write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    });
  const open = createOpenRequests(send);

  let takesBatches = false;
  const fail = (error: unknown) => transport.onerror?.(error as Error);

  const read = (line: string) => {
    try {
      const said: unknown = JSON.parse(line);
      if (takesBatches && Array.isArray(said)) readBatch(said);
      else deliver(noted(said, null));
    } catch (error) {
      fail(error);
    }
  };
  /** What of it cannot be read is passed over. All are known before the first is answered. */
  const readBatch = (said: unknown[]) => {
    const batch = newBatch();
    const messages = said.flatMap((one) => {
      try {
        return [noted(one, batch)];
      } catch (error) {
        fail(error);
        return [];
      }
    });
    messages.forEach(deliver);
  };
  const noted = (said: unknown, batch: Batch | null): JSONRPCMessage => {
    const message = parseJSONRPCMessage(said);
    open.note(message, batch);
    return message;
  };
  const deliver = (message: JSONRPCMessage) => {
    if ('method' in message && message.method === 'initialize')
      takesBatches = batching.includes(message.params?.protocolVersion);
    transport.onmessage?.(message);
  };
  const lines = createLines(read);
  const onData = (chunk: string) => {
    lines.add(chunk);
    if (lines.pending <= STDIO_DEFAULT_MAX_BUFFER_SIZE) return;
    fail(new Error(`A line is longer than ${STDIO_DEFAULT_MAX_BUFFER_SIZE} characters.`));
    void transport.close();
    end();
  };
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    lines.end();
    onEnd();
  };

  let closed = false;
  const transport: Transport = {
    async start() {
      stdin.setEncoding('utf8').on('data', onData);
      // A client that dies leaves a broken pipe: that is an end as well.
      for (const event of ['end', 'close', 'error']) stdin.on(event, end);
    },
    send: (message) =>
      'method' in message || message.id === undefined ? send(message) : open.answer(message.id, message),
    async close() {
      if (closed) return;
      closed = true;
      stdin.off('data', onData).pause();
      open.forget();
      transport.onclose?.();
    },
  };
  return { transport, answered: open.none };
}

/** Chunks of text as lines; also the last one where nothing ends it. */
function createLines(onLine: (line: string) => void) {
  let parts: string[] = [];
  let pending = 0;
  const begin = (rest: string) => {
    parts = rest === '' ? [] : [rest];
    pending = rest.length;
  };
  return {
    /** The characters of the line that is not over yet. */
    get pending() {
      return pending;
    },
    add(chunk: string) {
      parts.push(chunk);
      pending += chunk.length;
      if (!chunk.includes('\n')) return;
      const whole = parts.join('').split('\n');
      begin(whole.pop() ?? '');
      for (const line of whole) onLine(line);
    },
    end() {
      const last = parts.join('');
      begin('');
      if (last.trim() !== '') onLine(last);
    },
  };
}
