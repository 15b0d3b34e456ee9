// This process among those that live on the home: it shows that it lives by a counter that moves, and judges the others by theirs.
import { hostname } from 'node:os';
import type { Clock } from './clock.js';
import { createObserver, type JudgedProcess } from './living.js';
import type { Log } from './log.js';
import type { ProcessKind, ProcessRow, Store } from './queue/store.js';
import { newProcessId } from './tasks/task.js';

export interface PresenceOptions {
  store: Store;
  kind: ProcessKind | 'command';
  version: string;
  leaseMs: number;
  /** Where a `doe serve` of these settings would answer. */
  configured: string;
  clock: Clock;
  log: Log;
}

export interface Presence {
  readonly processId: string;
  join(address: string | null, worker: () => ProcessRow['worker']): Promise<void>;
  /** Tells the home at once what the worker does, rather than with the next regular beat. Puts the process back on the list where it is missing. */
  beat(): Promise<void>;
  leave(): Promise<void>;
  /** The home's list, this process among them, each with our judgement. */
  processes(): Promise<JudgedProcess[]>;
  /**
   * Whether this process's worker may take tasks: one in a `doe mcp` stands back while another's worker lives, and while it
   * is not on the home's list. At any one state of the list at most one of several leads.
   */
  mayLead(): Promise<boolean>;
  /** Where a person finds the page: a living `doe serve`, else this process, else where a `doe serve` of these settings would be. */
  pageAddress(): Promise<string>;
}

export function createPresence({ store, kind, version, leaseMs, configured, clock, log }: PresenceOptions): Presence {
  const processId = newProcessId();
  const look = createObserver({ ledger: store.ledger, leaseMs, clock });
  let ownAddress: string | null = null;
  let timer: NodeJS.Timeout | undefined;
  let beat = async () => {};
  let left = false;

  const isOther = ({ id }: ProcessRow) => id !== processId;
  const processes = async () =>
    (await look()).map((row) => (isOther(row) ? row : { ...row, alive: true, gone: false }));

  return {
    processId,
    processes,
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
      // A look with each beat: who is asked once an hour would take for alive whoever moved since.
      timer = setInterval(
        () =>
          void beat()
            .then(look)
            .catch(() => {}),
        leaseMs / 3,
      );
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
      const all = await processes();
      const own = all.findIndex((row) => !isOther(row));
      // All compare what stands in the store, in the store's own order: a clock of one's own could say that both came first.
      const outranks = (row: JudgedProcess) =>
        isOther(row) && row.alive && row.worker !== 'off' && (row.kind !== 'mcp' || all.indexOf(row) < own);
      return own !== -1 && !all.some(outranks);
    },
    async pageAddress() {
      if (kind === 'serve' && ownAddress !== null) return ownAddress;
      const serving = (row: JudgedProcess) => isOther(row) && row.alive && row.kind === 'serve' && row.address !== null;
      return (await processes()).find(serving)?.address ?? ownAddress ?? configured;
    },
  };
}
