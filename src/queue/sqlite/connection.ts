// The one connection to the file, and the one way to write: moves that wait in the same turn share a transaction, each in
// a savepoint of its own, and nobody is answered before the commit that holds their move.
import type { Database } from 'better-sqlite3';
import { systemClock } from '../../clock.js';
import { DispatcherError } from '../../errors.js';
import { isBusy, translate } from './faults.js';
import { busyStepMs, openDatabase } from './open.js';
import { createSettler, type Job } from './transaction.js';

const foreignChangePollMs = 50;
/**
 * Transactions after which the write-ahead log is written back, in a turn in which nobody waits for an answer. A short log is
 * written over again and again, which costs a commit a fifth less than one that grows (measured: 0.72 of the bare statements
 * against 0.57 with 500).
 */
const checkpointEvery = 100;

export interface Connection {
  readonly db: Database;
  /**
   * Runs `move` in an immediate transaction. `durable` moves are on disk before the promise resolves.
   * @throws DispatcherError `store_busy`, `store_unavailable`, `shutting_down`; whatever `move` throws, with nothing changed
   */
  write<T>(durable: boolean, move: () => T): Promise<T>;
  /** Looks again while a lock is in the way. @throws DispatcherError `store_busy`, `database_broken`; what `look` throws */
  read<T>(look: () => T | Promise<T>): Promise<T>;
  watch(listener: () => void): () => void;
  /** Answers every move that waits, then closes. */
  close(): Promise<void>;
}

export interface ConnectionOptions {
  /** How long a move waits for another process's transaction before it gives up. */
  busyLimitMs?: number;
  monotonic?: () => number;
}

export function openConnection(
  path: string,
  { busyLimitMs = 10_000, monotonic = systemClock.monotonic }: ConnectionOptions = {},
): Connection {
  const db = openDatabase(path);
  const listeners = new Set<() => void>();
  let waiting: Job[] = [];
  let scheduled = false;
  let closing = false;
  let synchronous = '';
  let dataVersion = 0;
  let sinceCheckpoint = 0;
  let poll: NodeJS.Timeout | undefined;

  const statement = {
    begin: db.prepare('BEGIN IMMEDIATE'),
    rollback: db.prepare('ROLLBACK'),
    changes: db.prepare<[], number>('SELECT total_changes()').pluck(),
    dataVersion: db.prepare<[], number>('PRAGMA data_version').pluck(),
  };
  const settle = createSettler(db);

  const announce = () => {
    for (const listener of [...listeners]) listener();
  };

  const schedule = (later: (run: () => void) => void) => {
    if (scheduled) return;
    scheduled = true;
    later(flush);
  };

  const begin = (durable: boolean) => {
    // A failing disk may have refused the rollback as well: nobody was told that anything of it was done.
    if (db.inTransaction) statement.rollback.run();
    const wanted = durable ? 'FULL' : 'NORMAL';
    if (synchronous !== wanted) db.pragma(`synchronous = ${wanted}`);
    synchronous = wanted;
    statement.begin.run();
  };

  const flush = () => {
    scheduled = false;
    if (waiting.length === 0) return;
    try {
      begin(waiting.some(({ durable }) => durable));
    } catch (error) {
      waitOrGiveUp(error);
      return;
    }
    const jobs = waiting;
    waiting = [];
    const before = statement.changes.get();
    settle(jobs);
    // A look that found nothing to do is no news: announcing it would wake the one who looked.
    if (statement.changes.get() === before) return;
    queueMicrotask(announce);
    sinceCheckpoint += 1;
    if (sinceCheckpoint >= checkpointEvery) setImmediate(checkpoint);
  };

  const checkpoint = () => {
    if (sinceCheckpoint < checkpointEvery || !db.open) return;
    sinceCheckpoint = 0;
    quietly(() => db.pragma('wal_checkpoint(PASSIVE)'));
  };

  /** Each move waits its own time: one that comes late in a busy spell is not refused with those that waited long. */
  const waitOrGiveUp = (error: unknown) => {
    const at = monotonic();
    const waits = (job: Job) => {
      job.busySince ??= at;
      return isBusy(error) && at - job.busySince < busyLimitMs;
    };
    const refused = waiting.filter((job) => !waits(job));
    waiting = waiting.filter(waits);
    if (waiting.length > 0) schedule((run) => setTimeout(run, busyStepMs * (1 + Math.random())));
    for (const { reject } of refused) reject(translate(error));
  };

  const enqueue = <T>(durable: boolean, move: () => T) =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ durable, move, resolve: resolve as (value: unknown) => void, reject });
      schedule(setImmediate);
    });

  const lookForForeignChanges = () => {
    const version = quietly(() => statement.dataVersion.get());
    if (version === undefined || version === dataVersion) return;
    dataVersion = version;
    announce();
  };

  return {
    db,
    write(durable, move) {
      if (closing) return Promise.reject(closed());
      return enqueue(durable, move);
    },
    async read(look) {
      const since = monotonic();
      for (;;) {
        if (!db.open) throw closed();
        try {
          return await look();
        } catch (error) {
          if (!isBusy(error) || monotonic() - since >= busyLimitMs) throw translate(error);
          await new Promise((resolve) => setTimeout(resolve, busyStepMs));
        }
      }
    },
    watch(listener) {
      listeners.add(listener);
      if (poll === undefined) {
        dataVersion = statement.dataVersion.get() ?? 0;
        poll = setInterval(lookForForeignChanges, foreignChangePollMs);
        poll.unref();
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(poll);
        poll = undefined;
      };
    },
    async close() {
      closing = true;
      clearInterval(poll);
      listeners.clear();
      // A move behind all that wait is answered with them or after them.
      if (waiting.length > 0) await enqueue(false, () => {}).catch(() => {});
      db.close();
    },
  };
}

const closed = () => new DispatcherError('shutting_down', 'The store is closed; nothing was changed.');

/** For what runs by itself and is repeated: a lock or a failing disk is told to whoever asks for something next. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (translate(error) instanceof DispatcherError) return undefined;
    throw error;
  }
}
