// Who lives on a home: the one rule by which leading, pages, metrics, answers and the command line judge.
import { hostname } from 'node:os';
import type { Clock } from './clock.js';
import type { ProcessRow, Store } from './queue/store.js';

/** What was written by others about themselves, and our judgement of it. */
export interface JudgedProcess extends ProcessRow {
  /**
   * False where its pid is gone from this host, or its beat has not moved for a lease by our own monotonic clock. Whoever is
   * seen for the first time counts as alive. The lease is ours, not the other's: a home's processes are to have the same one.
   */
  alive: boolean;
  /** Its beat has not moved for ten leases: it left without saying so, or sleeps, and will say so itself when it wakes. */
  gone: boolean;
}

export interface ObserverOptions {
  ledger: Pick<Store['ledger'], 'processes'>;
  leaseMs: number;
  clock: Pick<Clock, 'monotonic'>;
}

/** A look at the home's list. What it can tell depends on the looks before: one a lease or more sees the dead in time. */
export function createObserver({ ledger, leaseMs, clock }: ObserverOptions): () => Promise<JudgedProcess[]> {
  let seen = new Map<string, { beat: number; since: number }>();

  return async () => {
    const rows = await ledger.processes();
    const now = clock.monotonic();
    const before = seen;
    seen = new Map(
      rows.map(({ id, beat }) => {
        const known = before.get(id);
        return [id, known?.beat === beat ? known : { beat, since: now }];
      }),
    );
    return rows.map((row) => {
      const silentMs = now - (seen.get(row.id)?.since ?? now);
      return { ...row, alive: silentMs < leaseMs && !isDead(row), gone: silentMs >= 10 * leaseMs };
    });
  };
}

const isDead = ({ host, pid }: ProcessRow): boolean => host === hostname() && !pidExists(pid);

export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
