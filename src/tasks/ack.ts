// Whether an acknowledgement holds by itself: the one rule that the queue, the worker and validate_ack follow.
import { retryCoverMs } from './retry.js';
import type { Ack } from './task.js';

type Times = Pick<Ack, 'expiresAt' | 'firstStartedAt'>;
type Ends = Pick<Ack, 'revokedAt' | 'spentAt'>;

/** When an ack stops covering a start: its expiry, or an hour after the first start. */
export const coveredUntil = ({ expiresAt, firstStartedAt }: Times): number =>
  firstStartedAt === null ? expiresAt : firstStartedAt + retryCoverMs;

export type AckFault = 'expired' | 'cover_over' | 'revoked' | 'spent';

/** Whether an ack is over whatever the time: what is asked of one under which a run goes on, however long that takes. */
export const ackEnd = ({ revokedAt, spentAt }: Ends): Extract<AckFault, 'revoked' | 'spent'> | null =>
  revokedAt !== null ? 'revoked' : spentAt !== null ? 'spent' : null;

/** Why an ack covers no start at `now`, by the first reason in the order in which tokens are refused; null where it holds. */
export function ackFault(ack: Times & Ends, now: number): AckFault | null {
  if (now >= coveredUntil(ack)) return ack.firstStartedAt === null ? 'expired' : 'cover_over';
  return ackEnd(ack);
}
