// What keeps the file small and copies it: removing what is past its time, and a whole copy while others write.
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, openSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Database } from 'better-sqlite3';
import { DispatcherError } from '../../errors.js';
import type { Store } from '../store.js';
import type { Connection } from './connection.js';
import { openFile, prepareOnce } from './driver.js';
import { translate } from './faults.js';
import type { TaskRow } from './rows.js';
import { createTextPruning } from './texts.js';

const batch = 200;

type Finished = Pick<TaskRow, 'seq' | 'id' | 'status' | 'created_at' | 'finished_at'>;
const over: readonly string[] = ['succeeded', 'failed', 'cancelled'];

export function createPruning({ db, write }: Pick<Connection, 'db' | 'write'>): Store['prune'] {
  const page = db.prepare<[number, number], Finished>(
    'SELECT seq, id, status, created_at, finished_at FROM tasks WHERE seq > ? ORDER BY seq LIMIT ?',
  );
  const oldLines = db.prepare<[number, number]>(
    `DELETE FROM task_logs WHERE id IN (SELECT id FROM (SELECT id, at FROM task_logs ORDER BY id LIMIT ?) WHERE at < ?)`,
  );
  const oldNonces = db.prepare<[number]>('DELETE FROM nonces WHERE expires_at < ?');
  const remove = createRemoval(db);
  const pruneTexts = createTextPruning({ db, write });

  const pruneTasks = async (before: number): Promise<number> => {
    let removed = 0;
    let after = 0;
    for (;;) {
      const rows = page.all(after, batch);
      // A task cannot have finished before it was created: behind the first young one there is nothing old enough.
      const old = rows.filter((row) => row.created_at < before);
      const gone = old.filter((row) => over.includes(row.status) && (row.finished_at ?? before) < before);
      if (gone.length > 0) await write(false, () => gone.forEach(remove));
      removed += gone.length;
      const last = rows.at(-1);
      if (last === undefined || old.length < batch) return removed;
      after = last.seq;
    }
  };

  const pruneLines = async (before: number): Promise<number> => {
    let removed = 0;
    for (;;) {
      const changes = await write(false, () => oldLines.run(batch, before).changes);
      removed += changes;
      if (changes < batch) return removed;
    }
  };

  return async (before) => {
    const logLines = await pruneLines(before);
    const tasks = await pruneTasks(before);
    await write(false, () => void oldNonces.run(before));
    return { tasks, logLines, texts: await pruneTexts(before) };
  };
}

/**
 * Removes a task and its rows. A directive's last success stays: a later failure is compared with it. So do consents: without
 * them the events of a passkey's yes could not be proven any more.
 */
function createRemoval(db: Database): (task: Finished) => void {
  const statements = [
    'DELETE FROM task_logs WHERE task_id = ?',
    `DELETE FROM runs WHERE task_id = ? AND NOT (outcome IS 'succeeded' AND id = (
       SELECT r.id FROM runs AS r WHERE r.directive_id = runs.directive_id AND r.outcome = 'succeeded' ORDER BY r.finished_at DESC LIMIT 1))`,
    'DELETE FROM anneal_tasks WHERE task_id = ?',
    'DELETE FROM failures WHERE task_id = ?',
    'DELETE FROM acks WHERE task_id = ?',
    'DELETE FROM tasks WHERE id = ?',
  ].map((sql) => db.prepare<[string]>(sql));
  return ({ id }) => {
    for (const statement of statements) statement.run(id);
  };
}

/** The copy is made beside its place, checked, synced, and only then given its name: what stands there is whole. */
export const createBackup =
  ({ db }: Pick<Connection, 'db'>): Store['backup'] =>
  async (file) => {
    const target = resolve(file);
    const partial = `${target}.${process.pid}.partial`;
    if (existsSync(target)) throw fileExists(target);
    try {
      closeSync(openSync(partial, 'wx', 0o600));
      prepareOnce(db, 'VACUUM INTO ?').run(partial);
      assertWhole(partial);
      chmodSync(partial, 0o600);
      sync(partial);
      linkSync(partial, target);
      sync(dirname(target));
    } catch (error) {
      throw noPlace(target, error) ?? translate(error, target);
    } finally {
      rmSync(partial, { force: true });
    }
  };

/** Why nothing can be put there; null where it is not the place's fault. */
function noPlace(target: string, cause: unknown): DispatcherError | null {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'EEXIST') return fileExists(target);
  const why = {
    ENOENT: 'there is no such folder',
    ENOTDIR: 'a part of the path is a file',
    EACCES: 'this user may not write there',
  }[code ?? ''];
  if (why === undefined) return null;
  return new DispatcherError('invalid_input', `${target} cannot be made: ${why}.`, {
    hint: 'Name a file in a folder that is there and that you may write to.',
    cause,
  });
}

const fileExists = (file: string) =>
  new DispatcherError('file_exists', `${file} is there already; a backup overwrites nothing.`, {
    hint: 'Name another file, or move this one away.',
  });

function assertWhole(file: string): void {
  const copy = openFile(file, { readonly: true });
  try {
    const verdict = copy.pragma('quick_check(1)', { simple: true });
    if (verdict !== 'ok') throw new DispatcherError('database_broken', `The copy is not intact: ${verdict}.`);
  } finally {
    copy.close();
  }
}

function sync(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
