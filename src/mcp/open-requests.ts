// The requests of a line that have no answer yet, those of batches among them.
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server';

/** What was asked in one JSON array is answered in one (JSON-RPC 2.0, section 6). */
export interface Batch {
  open: number;
  answers: JSONRPCMessage[];
}

export const newBatch = (): Batch => ({ open: 0, answers: [] });

export interface OpenRequests {
  /** It came, in a batch or alone. */
  note(message: JSONRPCMessage, batch: Batch | null): void;
  /** Sends an answer, that of a batch with its last one. */
  answer(id: RequestId, answer: JSONRPCMessage): Promise<void>;
  /** Resolves once nothing is open. */
  none(): Promise<void>;
  forget(): void;
}

/** Open for as long as the line is. */
const neverAnswered = 'subscriptions/listen';

export function createOpenRequests(send: (message: JSONRPCMessage | JSONRPCMessage[]) => Promise<void>): OpenRequests {
  const open = new Map<RequestId, Batch | null>();
  let announce = () => {};

  const settle = async (id: RequestId, answer?: JSONRPCMessage): Promise<void> => {
    const batch = open.get(id) ?? null;
    const due = batch === null ? answer : answerOf(batch, answer);
    try {
      if (due !== undefined) await send(due);
    } finally {
      open.delete(id);
      if (open.size === 0) announce();
    }
  };

  return {
    note(message, batch) {
      if (!('method' in message)) return;
      // Who takes back a request of a batch may get the answers of the others; a line that is broken tells so itself.
      if (message.method === 'notifications/cancelled') settle(message.params?.requestId as RequestId).catch(() => {});
      if (!('id' in message) || message.method === neverAnswered) return;
      open.set(message.id, batch);
      if (batch !== null) batch.open += 1;
    },
    answer: settle,
    none: () => (open.size === 0 ? Promise.resolve() : new Promise<void>((resolve) => (announce = resolve))),
    forget() {
      open.clear();
      announce();
    },
  };
}

/** Of a batch everything is answered at once, with its last answer. */
function answerOf(batch: Batch, answer: JSONRPCMessage | undefined): JSONRPCMessage[] | undefined {
  batch.open -= 1;
  if (answer !== undefined) batch.answers.push(answer);
  return batch.open === 0 && batch.answers.length > 0 ? batch.answers : undefined;
}
