// The one connection to the file, and the one way to write: moves that wait in the same turn share a transaction, each in
// a savepoint of its own, and nobody is answered before the commit that holds their move.
import { chmodSync, closeSync, existsSync, openSync } from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import { DispatcherError } from '../../errors.js';
import { migrate } from '../migrate.js';

/** How long a move waits for another process's transaction before it gives up. */
const busyLimitMs = 10_000;
const busyStepMs = 5;
const foreignChangePollMs = 50;

export interface Connection {
  readonly db: Database;
  /**
   * Runs `move` in an immediate transaction. `durable` moves are on disk before the promise resolves.
   * @throws DispatcherError `store_busy`, `store_unavailable`; whatever `move` throws, with nothing changed
   */
  write<T>(durable: boolean, move: () => T): Promise<T>;
  watch(listener: () => void): () => void;
  close(): Promise<void>;
}

interface Job {
  durable: boolean;
  move: () => unknown;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

export function openConnection(path: string): Connection {
  const db = openDatabase(path);
  const listeners = new Set<() => void>();
  let waiting: Job[] = [];
  let scheduled = false;
  let busySince: number | null = null;
  let synchronous = '';
  let dataVersion = 0;
  let poll: NodeJS.Timeout | undefined;

  const totalChanges = db.prepare<[], { changes: number }>('SELECT total_changes() AS changes');
  const changesSoFar = () => totalChanges.get()?.changes;

  const announce = () => {
    for (const listener of [...listeners]) listener();
  };

  const schedule = (later: (run: () => void) => void) => {
    if (scheduled) return;
    scheduled = true;
    later(flush);
  };

  const begin = (durable: boolean) => {
    const wanted = durable ? 'FULL' : 'NORMAL';
    if (synchronous !== wanted) db.pragma(`synchronous = ${wanted}`);
    synchronous = wanted;
    db.exec('BEGIN IMMEDIATE');
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
    busySince = null;
    const jobs = waiting;
    waiting = [];
    const before = changesSoFar();
    settle(db, jobs);
    // A look that found nothing to do is no news: announcing it would wake the one who looked.
    if (changesSoFar() !== before) queueMicrotask(announce);
  };

  const waitOrGiveUp = (error: unknown) => {
    busySince ??= performance.now();
    if (isBusy(error) && performance.now() - busySince < busyLimitMs) {
      schedule((run) => setTimeout(run, busyStepMs * (1 + Math.random())));
      return;
    }
    busySince = null;
    const jobs = waiting;
    waiting = [];
    for (const { reject } of jobs) reject(translate(error));
  };

  const lookForForeignChanges = () => {
    const version = db.pragma('data_version', { simple: true }) as number;
    if (version === dataVersion) return;
    dataVersion = version;
    announce();
  };

  return {
    db,
    write: <T>(durable: boolean, move: () => T) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({ durable, move, resolve: resolve as (value: unknown) => void, reject });
        schedule(setImmediate);
      }),
    watch(listener) {
      listeners.add(listener);
      if (poll === undefined) {
        dataVersion = db.pragma('data_version', { simple: true }) as number;
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
      clearInterval(poll);
      listeners.clear();
      if (waiting.length > 0) flush();
      db.close();
    },
  };
}

/** Runs the jobs inside the open transaction and answers each only after the commit. */
function settle(db: Database, jobs: Job[]): void {
  const answers = jobs.map((job) => attempt(db, job, jobs.length > 1));
  try {
    const onlyFailed = jobs.length === 1 && answers[0]?.failed === true;
    db.exec(onlyFailed ? 'ROLLBACK' : 'COMMIT');
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK');
    for (const { reject } of jobs) reject(translate(error));
    return;
  }
  for (const [index, { failed, value }] of answers.entries()) {
    if (failed) jobs[index]?.reject(translate(value));
    else jobs[index]?.resolve(value);
  }
}

function attempt(db: Database, { move }: Job, shared: boolean): { failed: boolean; value: unknown } {
  if (shared) db.exec('SAVEPOINT move');
  try {
    const value = move();
    if (shared) db.exec('RELEASE move');
    return { failed: false, value };
  } catch (value) {
    if (shared) db.exec('ROLLBACK TO move; RELEASE move');
    return { failed: true, value };
  }
}

function openDatabase(path: string): Database {
  try {
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    const db = new Sqlite(path, { timeout: busyStepMs });
    db.pragma('busy_timeout = 5000');
    db.pragma('journal_mode = WAL');
    db.pragma('foreign_keys = ON');
    migrate(db);
    db.pragma(`busy_timeout = ${busyStepMs}`);
    chmodSync(path, 0o600);
    return db;
  } catch (error) {
    throw translate(error, path);
  }
}

const codeOf = (error: unknown): string => String((error as { code?: unknown }).code ?? '');
const isBusy = (error: unknown): boolean => codeOf(error).startsWith('SQLITE_BUSY');

/** SQLite's faults in our words; anything else as it is. */
function translate(error: unknown, path = 'db.sqlite'): unknown {
  const code = codeOf(error);
  const cause = error;
  if (error instanceof DispatcherError) return error;
  if (isBusy(error)) {
    return new DispatcherError('store_busy', 'Another process keeps the database busy.', {
      hint: 'Try again in a moment.',
      cause,
    });
  }
  if (code === 'SQLITE_FULL' || code.startsWith('SQLITE_IOERR')) {
    return new DispatcherError('store_unavailable', 'The database cannot be written: the disk is full or fails.', {
      hint: 'Free some space; the worker goes on by itself then.',
      cause,
    });
  }
  if (
    code.startsWith('SQLITE_READONLY') ||
    code.startsWith('SQLITE_CANTOPEN') ||
    code === 'EACCES' ||
    code === 'EROFS' ||
    code === 'EPERM'
  ) {
    return new DispatcherError('home_not_writable', `${path} cannot be written.`, {
      hint: 'Give the user that runs doe the right to write in the home.',
      cause,
    });
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return new DispatcherError('database_broken', `${path} is no intact SQLite database.`, {
      hint: 'Restore it from a backup (`doe backup` makes them), or move it away to begin anew.',
      cause,
    });
  }
  if (code === 'ERR_DLOPEN_FAILED' || /bindings file|better_sqlite3\.node/.test(String((error as Error).message))) {
    return new DispatcherError(
      'native_binding_missing',
      'The native part of better-sqlite3 is not there or was built for another Node.',
      {
        hint: 'Run `npm rebuild better-sqlite3`; with npx, allow its install script: npx --allow-scripts=better-sqlite3 doe-dispatcher …',
        cause,
      },
    );
  }
  return error;
}
