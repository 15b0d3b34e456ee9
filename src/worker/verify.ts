// Whether a script may start at this moment: the pins against the disk as it is now, then the ack. Fails closed.
import type { PinnedWork } from '../queue/store.js';
import { type AckFault, ackFault } from '../tasks/ack.js';
import { type Ack, satisfies, type Task } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { checkPins, type PinnedTask, type pinTask } from '../tools/pinning.js';

export type Verified =
  | { ok: true; check: PinnedTask }
  /** `work` is what would be pinned now; null where the disk does not allow a pin. */
  | { ok: false; reason: string; work: PinnedWork | null };

/**
 * @param ack the task's; null for none
 * @param pin `wouldPin` where nothing is to be kept
 */
export async function verifyStart(
  dispatcher: Dispatcher,
  task: Task,
  ack: Ack | null,
  pin?: typeof pinTask,
): Promise<Verified> {
  const check = await checkPins(dispatcher, task, pin);
  if (!check.ok) return { ok: false, reason: check.message, work: check.work };
  const reason = ackProblem(task, ack, check, await dispatcher.store.now());
  return reason === null ? { ok: true, check } : { ok: false, reason, work: check.work };
}

/** Why the ack does not allow this start; null where it does. */
function ackProblem(task: Task, ack: Ack | null, { policy }: PinnedTask, now: number): string | null {
  if (ack === null) {
    return policy.requireAck
      ? 'The directive wants an acknowledgement, and there is none: its trust was withdrawn or it changed.'
      : null;
  }
  // A task that wants none gets a fresh one with each start.
  if (!task.policy.requireAck && !policy.requireAck) return null;
  if (ack.pins.binding !== task.pins.binding) return 'The acknowledgement covers something else than the task.';
  if (policy.requireAck && !satisfies(ack.assurance, policy.ack))
    return `The acknowledgement is of strength ${ack.assurance}; ${policy.ack} is wanted.`;
  const fault = ackFault(ack, now);
  return fault === null ? null : faultMessages[fault];
}

const faultMessages = {
  expired: 'The acknowledgement expired before the first start.',
  cover_over: 'The acknowledgement covers retries for an hour after the first start, which is over.',
  revoked: 'The acknowledgement was revoked.',
  spent: 'The acknowledgement is spent.',
} as const satisfies Record<AckFault, string>;
