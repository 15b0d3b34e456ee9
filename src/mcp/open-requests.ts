// The requests of a line that have no answer yet, those of batches among them.
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/server';

/** What was asked in one JSON array is answered in one (JSON-RPC 2.0, section 6). */
interface Batch {
  open: number;
  answers: JSONRPCMessage[];
}

export interface OpenRequests {
  /** These came; `asBatch`: in one array. */
  note(messages: JSONRPCMessage[], asBatch: boolean): void;
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

  const noteOne = (message: JSONRPCMessage, batch: Batch | null) => {
    if (!('method' in message)) return;
    if (message.method === 'notifications/cancelled') void settle(message.params?.requestId as RequestId);
    if (!('id' in message) || message.method === neverAnswered) return;
    open.set(message.id, batch);
    if (batch !== null) batch.open += 1;
  };

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
    note(messages, asBatch) {
      const batch = asBatch ? { open: 0, answers: [] } : null;
      for (const message of messages) noteOne(message, batch);
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
