// Who lives on this home. A process shows that it lives by a counter that moves; others judge it by their own monotonic clock.
import { hostname } from 'node:os';
import type { Clock } from './clock.js';
import type { Log } from './log.js';
import type { ProcessKind, ProcessRow, Store } from './queue/store.js';
import { newProcessId } from './tasks/task.js';

export interface PresenceOptions {
  store: Store;
  kind: ProcessKind | 'command';
  version: string;
  leaseMs: number;
  clock: Clock;
  log: Log;
}

export interface Presence {
  readonly processId: string;
  join(address: string | null, worker: () => ProcessRow['worker']): Promise<void>;
  /** Tells the home at once what the worker does, rather than with the next regular beat. Puts the process back on the list where it is missing. */
  beat(): Promise<void>;
  leave(): Promise<void>;
  /**
   * Whether this process's worker may take tasks: one in a `doe mcp` stands back while another's worker lives, and while it
   * is not on the home's list. At any one state of the list at most one of several leads.
   */
  mayLead(): Promise<boolean>;
  /** Where a person finds the page: a living `doe serve`, else this process, else the default. */
  pageAddress(): Promise<string>;
}

const defaultAddress = 'http://127.0.0.1:3001';

export function createPresence({ store, kind, version, leaseMs, clock, log }: PresenceOptions): Presence {
  const processId = newProcessId();
  const lastSeen = new Map<string, { beat: number; since: number }>();
  let ownAddress: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  let beat = async () => {};
  let left = false;

  /** A beat that has not moved for a lease, or a pid that is gone from this host, is a dead process. */
  const lives = (row: ProcessRow): boolean => {
    if (row.host === hostname() && !pidExists(row.pid)) return false;
    const seen = lastSeen.get(row.id);
    if (seen?.beat === row.beat) return clock.monotonic() - seen.since < leaseMs;
    lastSeen.set(row.id, { beat: row.beat, since: clock.monotonic() });
    return true;
  };

  const others = (rows: ProcessRow[]) => rows.filter((row) => row.id !== processId && lives(row));

  return {
    processId,
    async join(address, worker) {
      if (kind === 'command') return;
      ownAddress = address;
      const about = { id: processId, kind, host: hostname(), pid: process.pid, pidStart: null, address, version };
      const list = () => store.ledger.join({ ...about, worker: worker() });
      const show = async () => {
        const known = await store.ledger.beat(processId, worker());
        // A process that slept, as under a laptop's lid, was taken for dead and off the list.
        if (!known && !left) await list();
      };
      await list();
      beat = () => show().catch((error: unknown) => log.warn('process.beat_failed', { error }));
      timer = setInterval(beat, leaseMs / 3);
      timer.unref();
    },
    beat: () => beat(),
    async leave() {
      left = true;
      clearInterval(timer);
      await store.ledger.leave(processId);
    },
    async mayLead() {
      if (kind !== 'mcp') return true;
      const rows = await store.ledger.processes();
      const own = rows.findIndex(({ id }) => id === processId);
      // All compare what stands in the store, in the store's own order: a clock of one's own could say that both came first.
      const outranks = (row: ProcessRow) => row.worker !== 'off' && (row.kind !== 'mcp' || rows.indexOf(row) < own);
      return own !== -1 && !others(rows).some(outranks);
    },
    async pageAddress() {
      if (kind === 'serve' && ownAddress !== null) return ownAddress;
      const serving = others(await store.ledger.processes()).find(
        (row) => row.kind === 'serve' && row.address !== null,
      );
      return serving?.address ?? ownAddress ?? defaultAddress;
    },
  };
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
