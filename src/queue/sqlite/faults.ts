// SQLite's faults in our words: what failed, and what to do about it.
import { DispatcherError } from '../../errors.js';

export const restoreHint = 'Restore it from a backup (`doe backup` makes them), or move it away to begin anew.';

const codeOf = (error: unknown): string => String((error as { code?: unknown } | null)?.code ?? '');

/** Another connection holds the lock: worth another look in a few milliseconds. */
export const isBusy = (error: unknown): boolean => codeOf(error).startsWith('SQLITE_BUSY');

/** The `DispatcherError` that a fault of the database is; anything else as it is. */
export function translate(error: unknown, path = 'db.sqlite'): unknown {
  if (error instanceof DispatcherError) return error;
  const code = codeOf(error);
  const cause = error;
  if (isBusy(error)) {
    return new DispatcherError('store_busy', 'Another process keeps the database busy; nothing was changed.', {
      hint: 'Try again in a moment.',
      cause,
    });
  }
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || code.startsWith('SQLITE_IOERR')) {
    return new DispatcherError(
      'store_unavailable',
      'The database cannot be written: the disk is full or fails. Nothing was changed.',
      { hint: 'Free some space; the worker goes on by itself then.', cause },
    );
  }
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || /^E(ACCES|ROFS|PERM)$/.test(code)) {
    return new DispatcherError('home_not_writable', `${path} cannot be written.`, {
      hint: 'Give the user that runs doe the right to write in the home and to its database.',
      cause,
    });
  }
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new DispatcherError('home_not_found', `There is no folder for ${path}.`, {
      hint: 'Lay out a home with `doe init`, or name another with --home.',
      cause,
    });
  }
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return new DispatcherError('database_broken', `${path} is no intact SQLite database.`, {
      hint: restoreHint,
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
