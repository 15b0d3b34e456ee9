// What a finished run means for its task: the one place that knows attempts, backoff and where an interruption leads.
import type { Classification, RunReport } from './outcome.js';
import type { MoveName } from './states.js';
import type { Task } from './task.js';

export const maxBackoffMs = 5 * 60_000;

/** How long the ack of a first start covers further attempts. */
export const retryCoverMs = 60 * 60_000;

/**
 * Exponential backoff with "equal jitter": between half of and the whole of `backoffMs · 2^(attempt-1)`, at most five minutes.
 * @param random a number in [0, 1)
 */
export function backoffDelayMs(attempt: number, backoffMs: number, random: number): number {
  const ceiling = Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(attempt - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

/** Where a settled run sends its task. `move` names the way; `runAfter` is set only for `retry_scheduled`. */
export interface Verdict {
  move: Extract<MoveName, 'succeeded' | 'retry_scheduled' | 'failed' | 'anneal_opened' | 'cancelled'>;
  reason: string | null;
  runAfter: number | null;
}

export interface JudgeInput {
  /** While a task that is asked to stop still runs, its `statusReason` is what was given as the reason. */
  task: Pick<Task, 'attempts' | 'policy' | 'cancelRequestedAt' | 'statusReason'>;
  report: Pick<RunReport, 'outcome' | 'message'>;
  /** The fix_script just ran and said that another attempt is worth it. */
  fixed: boolean;
  now: number;
  random: number;
}

/** Judges a run by the state table. */
export function judge({ task, report, fixed, now, random }: JudgeInput): Verdict {
  const { policy, attempts } = task;
  if (report.outcome === 'succeeded') return { move: 'succeeded', reason: null, runAfter: null };
  if (task.cancelRequestedAt !== null)
    return { move: 'cancelled', reason: task.statusReason ?? report.message, runAfter: null };
  if (report.outcome === 'cancelled') return { move: 'cancelled', reason: report.message, runAfter: null };
  if (report.outcome === 'interrupted' && policy.requireAck && !policy.onInterrupt)
    return { move: 'anneal_opened', reason: report.message, runAfter: null };
  if (attempts < policy.maxAttempts || fixed) {
    return {
      move: 'retry_scheduled',
      reason: report.message,
      runAfter: now + (fixed ? 0 : backoffDelayMs(attempts, policy.backoffMs, random)),
    };
  }
  return { move: policy.autoAnneal ? 'anneal_opened' : 'failed', reason: report.message, runAfter: null };
}

/** A failure as it is stored beside its run. */
export interface FailureFacts {
  errorType: string;
  classification: Classification;
  /** Tells the same failure of other tasks: classification and normalised error tail, hashed. */
  fingerprint: string;
  message: string;
  errorTail: string;
}
