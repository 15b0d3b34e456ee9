// What a home wants from time to time: its audit trail sealed, what nobody acknowledged cancelled, and what is past its time removed.
import type { Clock } from '../clock.js';
import type { Dispatcher } from '../tools/dispatcher.js';

const sealEveryMs = 60_000;
const pruneEveryMs = 60 * 60_000;
const dayMs = 24 * 60 * 60_000;
const staleAfterMs = 7 * dayMs;
/** How long the wall clock must have gone evenly before anything is thrown away by it, and what still counts as even. */
const watchedMs = 60 * 60_000;
const evenWithinMs = 60_000;

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
  const date = watchDate(clock);

  return {
    async look() {
      if (sealDue()) while ((await store.ledger.seal()) !== null);
      // By the wall clock, which is right again after a false date; and whoever still wants the task can retry it.
      for (const taskId of await store.tasks.cancelStale(clock.now() - staleAfterMs))
        log.info('task.stale', { task_id: taskId });
      const now = date();
      if (now === null || !pruneDue()) return;
      const before = now - config.keepDays * dayMs;
      const { tasks, logLines, texts } = await store.prune(before);
      const bundles = await annealer.removeForgotten(before);
      if (tasks + logLines + texts + bundles === 0) return;
      log.info('home.pruned', { tasks, log_lines: logLines, texts, bundles, keep_days: config.keepDays });
    },
  };
}

/**
 * The wall clock, once it has gone evenly with the monotonic one for an hour of looks; null until then. A false date that is put right
 * within the hour throws nothing away. The time by which acks expire will not do: it stays ahead after such a date.
 */
function watchDate({ now, monotonic }: Clock): () => number | null {
  let offset: number | null = null;
  let since = 0;
  return () => {
    const seen = now() - monotonic();
    if (offset === null || Math.abs(seen - offset) > evenWithinMs) since = monotonic();
    offset = seen;
    return monotonic() - since >= watchedMs ? now() : null;
  };
}
