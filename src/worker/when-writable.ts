// A full disk or a read-only home must cost neither a finished run nor its log: what is to be stored waits until it can be.
import { setTimeout as wait } from 'node:timers/promises';
import { DispatcherError } from '../errors.js';
import type { StopReason } from './run-script.js';

/** Faults of the store that pass: a busy or full disk, a home that is read-only for now. */
export const isUnwritable = (error: unknown): boolean =>
  error instanceof DispatcherError && ['store_busy', 'store_unavailable', 'home_not_writable'].includes(error.code);

export interface Patience {
  /** Told at each refusal. */
  onUnwritable: (error: unknown) => void;
  /** Aborted with `stopped`, the worker waits no longer. */
  stop: AbortSignal;
}

const retryMs = 500;

/** @throws what `move` throws, where that is no fault that passes, or the worker is to stop */
export async function whenWritable<T>({ onUnwritable, stop }: Patience, move: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await move();
    } catch (error) {
      if (!isUnwritable(error) || stop.reason === ('stopped' satisfies StopReason)) throw error;
      onUnwritable(error);
      await wait(retryMs);
    }
  }
}
