// Waiting as a dependency: tests pass it by, real calls sleep.
import { setTimeout as sleep } from 'node:timers/promises';

export interface Time {
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number;
  /** Rejects with the signal's reason where it aborts. */
  pause(ms: number, signal?: AbortSignal): Promise<void>;
}

export const realTime: Time = {
  now: () => performance.now(),
  async pause(ms, signal) {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
};

/** Lets calls of one key through at most every `intervalMs`, and none while the key is held. */
export interface Pace {
  take(key: string, signal?: AbortSignal): Promise<void>;
  /** The service asked for a pause: nothing of this key goes out for so long. */
  hold(key: string, ms: number): void;
}

export function createPace(intervalMs: number, time: Time): Pace {
  const freeAt = new Map<string, number>();
  return {
    async take(key, signal) {
      const now = time.now();
      const mine = Math.max(now, freeAt.get(key) ?? 0);
      freeAt.set(key, mine + intervalMs);
      if (mine > now) await time.pause(mine - now, signal);
    },
    hold(key, ms) {
      freeAt.set(key, Math.max(freeAt.get(key) ?? 0, time.now() + ms));
    },
  };
}
