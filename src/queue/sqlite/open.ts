// Opens the file, or makes it, and brings it to this version's schema. What cannot be used is left as it was found.
import { accessSync, chmodSync, closeSync, constants, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { openFile } from './driver.js';
import { translate } from './faults.js';
import { assertLaidOut, assertNotNewer, migrate, versionOf } from './migrate.js';

/** How long one attempt blocks while another process writes; then the event loop goes on, and it is tried again. */
export const busyStepMs = 5;
const openingBusyMs = 5000;

/** Pages of the write-ahead log at which SQLite writes them back on its own, where nobody found a quiet moment to. */
const walLimitPages = 10_000;
/** What the write-ahead log keeps of the disk once it was written back. */
const walKeptBytes = 16 * 1024 * 1024;

/** Enough for the pages that moves touch: more would only fill up with the history, and the system caches the file anyway. */
const cacheKiB = 2048;

/** @throws DispatcherError `home_not_found`, `home_not_writable`, `database_newer`, `database_broken`, `native_binding_missing` */
export function openDatabase(path: string): Database {
  let db: Database | undefined;
  try {
    // SQLite opens what it may not write for reading only, and says so at the first write: too late for whoever waits for it.
    accessSync(dirname(path), constants.W_OK);
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    accessSync(path, constants.W_OK);
    db = openFile(path, { timeout: openingBusyMs });
    assertNotNewer(versionOf(db));
    assertLaidOut(db);
    db.pragma('journal_mode = WAL');
    db.pragma('foreign_keys = ON');
    db.pragma(`wal_autocheckpoint = ${walLimitPages}`);
    db.pragma(`journal_size_limit = ${walKeptBytes}`);
    db.pragma(`cache_size = -${cacheKiB}`);
    migrate(db);
    db.pragma(`busy_timeout = ${busyStepMs}`);
    chmodSync(path, 0o600);
    return db;
  } catch (error) {
    db?.close();
    throw translate(error, path);
  }
}
