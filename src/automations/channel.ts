// What an automation's process says: JSON, a line a message, over a pipe of our own. Node's own channel between processes is not for
// code that somebody else wrote: it parses outside of any `try` and keeps a line in memory whatever its length.
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import type { JsonObject } from '../tasks/outcome.js';

const fromChild = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['described', 'done']), json: z.string() }),
  z.object({ kind: z.literal('failed'), message: z.string(), code: z.string().nullable() }),
  z.object({
    kind: z.literal('integration'),
    id: z.number(),
    name: z.string(),
    action: z.string(),
    input: z.record(z.string(), z.json()),
  }),
]);
export type FromChild = z.infer<typeof fromChild>;

/** An answer of 1 MiB, each character of it escaped, fits. */
const longestLine = 8 * 1024 * 1024;

export interface Listener {
  onMessage(message: FromChild): void;
  /** Told once, of what is no message; nothing is heard after it. */
  onFault(what: string): void;
}

export interface Channel {
  /** Says something, if anybody still listens. */
  send(message: JsonObject): void;
}

export function openChannel(stream: Duplex, { onMessage, onFault }: Listener): Channel {
  let rest = '';
  const give = (line: string) => {
    const message = parsed(line);
    if (message === null) throw new Error('sent what is no message');
    onMessage(message);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    try {
      rest += chunk;
      if (chunk.includes('\n')) {
        const lines = rest.split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(give);
      }
      if (rest.length > longestLine) throw new Error(`sent a message of more than ${longestLine / 1024 / 1024} MiB`);
    } catch (error) {
      stream.destroy();
      onFault((error as Error).message);
    }
  });
  // Whoever has gone reads nothing; that it has gone is seen by its end.
  stream.on('error', () => {});
  return { send: (message) => void (stream.writable && stream.write(`${JSON.stringify(message)}\n`)) };
}

function parsed(line: string): FromChild | null {
  try {
    return fromChild.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
