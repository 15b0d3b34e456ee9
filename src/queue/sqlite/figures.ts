// Sums for a monitor. The trail only grows, so what was counted once is carried on and only the news is read.
import type { Database } from 'better-sqlite3';
import type { Outcome } from '../../tasks/outcome.js';
import type { Figures, LedgerStore } from '../store.js';
import { prepareOnce } from './driver.js';

/** So many events at one go: the event loop gets its turn in between. */
const stretch = 50_000;

interface RunSums {
  outcome: Outcome;
  count: number;
  total: number;
  [within: `within_${number}`]: number;
}

export function createFigures(db: Database, now: () => number): LedgerStore['figures'] {
  const longestReady = db
    .prepare<[], number>(
      "SELECT updated_at FROM tasks INDEXED BY tasks_ready WHERE status = 'queued' AND run_id IS NULL AND due = 1 ORDER BY updated_at LIMIT 1",
    )
    .pluck();
  // A task whose time has come is ready from then on, also before a claim has found it out.
  const longestOverdue = db
    .prepare<[number], number>(
      "SELECT run_after FROM tasks INDEXED BY tasks_waiting WHERE status = 'queued' AND run_id IS NULL AND due = 0 AND run_after <= ? ORDER BY run_after LIMIT 1",
    )
    .pluck();
  const oldest = (): number | null => {
    const times = [longestReady.get(), longestOverdue.get(now())].filter((time) => time !== undefined);
    return times.length === 0 ? null : Math.min(...times);
  };
  const newest = db.prepare<[], number | null>('SELECT max(seq) FROM events').pluck();
  const held = db
    .prepare<[number, number], number>("SELECT count(*) FROM events WHERE seq > ? AND seq <= ? AND type = 'validated'")
    .pluck();
  const refused = db
    .prepare<[number, number], string>(
      "SELECT data FROM events WHERE task_id IS NULL AND seq > ? AND seq <= ? AND type = 'validation_refused'",
    )
    .pluck();

  const validations = new Map<string, number>();
  let counted = 0;

  const count = (code: string, times: number) => validations.set(code, (validations.get(code) ?? 0) + times);

  const countNews = async () => {
    for (const end = newest.get() ?? 0; counted < end; ) {
      const from = counted;
      counted = Math.min(end, from + stretch);
      count('ok', held.get(from, counted) ?? 0);
      for (const data of refused.all(from, counted))
        for (const [code, times] of Object.entries(JSON.parse(data) as Record<string, number>)) count(code, times);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };

  return async (boundsMs) => {
    await countNews();
    const within = boundsMs.map((bound, index) => `sum(finished_at - started_at <= ${bound}) AS within_${index}`);
    const sums = prepareOnce<[], RunSums>(
      db,
      `SELECT outcome, count(*) AS count, sum(finished_at - started_at) AS total, ${within.join(', ')}
       FROM runs WHERE outcome IS NOT NULL GROUP BY outcome`,
    );
    return {
      oldestQueuedAt: oldest(),
      runs: sums.all().map((row) => ({
        outcome: row.outcome,
        count: row.count,
        totalMs: row.total,
        within: boundsMs.map((_, index) => row[`within_${index}`] ?? 0),
      })),
      validations: Object.fromEntries(validations),
    } satisfies Figures;
  };
}
