// What happened since a task came to await its acknowledgement: who agreed, and whose word was too weak.
import { DispatcherError } from '../errors.js';
import type { Event } from '../queue/store.js';
import type { Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import type { CallContext } from './operation.js';
import { byOf } from './views.js';

const eventsLookedAt = 500;

async function thisRound({ ledger }: Dispatcher['store'], taskId: string): Promise<Event[]> {
  const events = await ledger.events({ taskId, limit: eventsLookedAt, newest: true });
  return events.slice(events.findLastIndex(({ to }) => to === 'awaiting_ack') + 1);
}

/** Who consented in this round: a consent to an earlier one covers no later one, though its binding be the same. */
export async function consentingNow(store: Dispatcher['store'], { id, pins }: Task): Promise<Set<string>> {
  const consents = (await thisRound(store, id)).filter(
    ({ type, data }) => type === 'consented' && data.binding === pins.binding,
  );
  return new Set(consents.map(({ data }) => String(data.owner)));
}

/** Decides, and writes it down where the caller's word is too weak: once for each key in a round, so that nobody can fill the trail. */
export async function orNoteRefusal<T>(
  { store }: Dispatcher,
  { task, call, actorId }: { task: Task; call: CallContext; actorId: string },
  decide: () => T,
): Promise<T> {
  try {
    return decide();
  } catch (error) {
    if (!(error instanceof DispatcherError) || error.code !== 'not_allowed') throw error;
    const by = byOf(call, actorId);
    const isSame = ({ type, keyId, channel }: Event) =>
      type === 'ack_refused' && keyId === by.keyId && channel === by.channel;
    if (!(await thisRound(store, task.id)).some(isSame))
      await store.ledger.record(
        { taskId: task.id, type: 'ack_refused', assurance: null, data: { reason: error.message } },
        by,
      );
    throw error;
  }
}
