// What a home wants from time to time: its audit trail sealed, and what is past its time removed.
import type { Dispatcher } from '../tools/dispatcher.js';

const sealEveryMs = 60_000;
const pruneEveryMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;

export interface Housekeeping {
  /** Does what is due by now; to be called as often as one likes. */
  look(): Promise<void>;
}

export function createHousekeeping({ store, clock, config, log, annealer }: Dispatcher): Housekeeping {
  const dueEvery = (ms: number) => {
    let last: number | null = null;
    return () => {
      const now = clock.monotonic();
      if (last !== null && now - last < ms) return false;
      last = now;
      return true;
    };
  };
  const sealDue = dueEvery(sealEveryMs);
  const pruneDue = dueEvery(pruneEveryMs);

  return {
    async look() {
      if (sealDue()) while ((await store.ledger.seal()) !== null);
      if (!pruneDue()) return;
      const before = (await store.now()) - config.keepDays * dayMs;
      const { tasks, logLines, texts } = await store.prune(before);
      const bundles = await annealer.removeForgotten(before);
      if (tasks + logLines + texts + bundles === 0) return;
      log.info('home.pruned', { tasks, log_lines: logLines, texts, bundles, keep_days: config.keepDays });
    },
  };
}
