// The line over stdio: the SDK's transport, which would hang up on unanswered requests when stdin ends, and which does not
// know of batches. This one goes on until it is closed, and can tell when everything that was asked is answered.
import { Readable, type Writable } from 'node:stream';
import type { JSONRPCMessage, RequestId, Transport } from '@modelcontextprotocol/server';
import { STDIO_DEFAULT_MAX_BUFFER_SIZE } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';

export interface StdioLine {
  transport: Transport;
  /** Resolves once each request that came has its answer, written out, or was taken back; or the line has closed. */
  answered(): Promise<void>;
}

/** @param onEnd the client closed its end */
export function createStdioLine(stdin: Readable, stdout: Writable, onEnd: () => void): StdioLine {
  const open = createOpenRequests((message) => inner.send(message));

  async function* messages(): AsyncGenerator<Buffer> {
    try {
      for await (const line of linesOf(stdin)) yield Buffer.from(open.take(line));
    } catch {
      // A client that dies leaves a broken pipe: that is an end as well.
    }
    onEnd();
    // The transport closes the line when its input ends, and what was asked would stay unanswered.
    await new Promise<never>(() => {});
  }

  const inner = new StdioServerTransport(Readable.from(messages()), stdout);
  const transport: Transport = {
    start() {
      inner.onmessage = (message) => transport.onmessage?.(message);
      inner.onerror = (error) => transport.onerror?.(error);
      inner.onclose = () => {
        open.forget();
        transport.onclose?.();
      };
      return inner.start();
    },
    send: (message) =>
      'method' in message || message.id === undefined ? inner.send(message) : open.answer(message.id, message),
    close: () => inner.close(),
  };
  return {
    transport,
    async answered() {
      await open.none();
      await new Promise<void>((resolve) => stdout.write('', () => resolve()));
    },
  };
}

/** What was asked in one JSON array is answered in one (JSON-RPC 2.0, section 6). */
interface Batch {
  open: number;
  answers: JSONRPCMessage[];
}

interface Incoming {
  id?: unknown;
  method?: unknown;
  params?: { protocolVersion?: unknown; requestId?: unknown } | undefined;
}

/** The revisions whose receivers must take batches (MCP 2025-03-26, base protocol, "Batching"); later ones know none. */
const batching: readonly unknown[] = ['2024-11-05', '2025-03-26'];
/** Open for as long as the line is. */
const neverAnswered = 'subscriptions/listen';

/** The requests without an answer yet; a line is read before the SDK reads it, so that none is missed. */
function createOpenRequests(send: (message: JSONRPCMessage) => Promise<void>) {
  const open = new Map<RequestId, Batch | null>();
  let takesBatches = false;
  let announce = () => {};

  const note = (message: unknown, batch: Batch | null) => {
    const { id, method, params } = (message ?? {}) as Incoming;
    if (method === 'initialize') takesBatches = batching.includes(params?.protocolVersion);
    if (method === 'notifications/cancelled') void settle(params?.requestId as RequestId).catch(() => {});
    if (typeof method !== 'string' || method === neverAnswered) return;
    if (typeof id !== 'string' && typeof id !== 'number') return;
    open.set(id, batch);
    if (batch !== null) batch.open += 1;
  };

  const settle = async (id: RequestId, answer?: JSONRPCMessage): Promise<void> => {
    const batch = open.get(id);
    if (batch != null) await settleIn(batch, answer);
    else if (answer !== undefined) await send(answer);
    open.delete(id);
    if (open.size === 0) announce();
  };

  const settleIn = async (batch: Batch, answer: JSONRPCMessage | undefined): Promise<void> => {
    batch.open -= 1;
    if (answer !== undefined) batch.answers.push(answer);
    // The transport writes whatever JSON it is given.
    if (batch.open === 0 && batch.answers.length > 0) await send(batch.answers as unknown as JSONRPCMessage);
  };

  return {
    /** The line as the SDK is to read it: the messages of a batch one by one. */
    take(line: string): string {
      const said = parsed(line);
      const batch = Array.isArray(said) && takesBatches ? { open: 0, answers: [] } : null;
      const messages: unknown[] = batch === null ? [said] : (said as unknown[]);
      for (const message of messages) note(message, batch);
      return batch === null ? `${line}\n` : messages.map((message) => `${JSON.stringify(message)}\n`).join('');
    },
    answer: settle,
    none: () => (open.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => (announce = resolve))),
    forget() {
      open.clear();
      announce();
    },
  };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** Also the last one where nothing ends it. Not by `readline`, to which other characters end a line too. */
async function* linesOf(stdin: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stdin.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop() ?? '';
    // The transport refuses what is longer and closes.
    if (rest.length > STDIO_DEFAULT_MAX_BUFFER_SIZE) lines.push(rest);
    yield* lines;
  }
  if (rest.trim() !== '') yield rest;
}
