// Kept texts that nobody needs any more: neither a row refers to them, nor was one of them pinned of late.
import { setImmediate as breathe } from 'node:timers/promises';
import { besideKey, filesOf } from '../contents.js';
import type { Connection } from './connection.js';

const batch = 200;

const referring = {
  tasks: 'directive_sha256, script_sha256',
  runs: 'directive_sha256, script_sha256',
  acks: 'directive_sha256, script_sha256',
  failures: 'directive_sha256, script_sha256',
  trust: 'sha256 AS directive_sha256, script_sha256',
} as const;

interface Reference {
  place: number;
  directive_sha256: string;
  script_sha256: string | null;
}

/**
 * Removes texts that were last in use before the time and that no row refers to. Whoever pins a text says so first, so none
 * that is pinned while this goes on is old enough.
 */
export function createTextPruning({
  db,
  write,
}: Pick<Connection, 'db' | 'write'>): (before: number) => Promise<number> {
  const old = db.prepare<[number], string>('SELECT sha256 FROM contents WHERE kept_at < ?').pluck();
  const text = db.prepare<[string], string>('SELECT text FROM contents WHERE sha256 = ?').pluck();
  const pages = Object.entries(referring).map(([table, columns]) =>
    db.prepare<[number, number], Reference>(
      `SELECT rowid AS place, ${columns} FROM ${table} WHERE rowid > ? ORDER BY rowid LIMIT ?`,
    ),
  );
  const remove = db.prepare<[string, number]>('DELETE FROM contents WHERE sha256 = ? AND kept_at < ?');
  const removeRevision = db.prepare<[string]>('DELETE FROM directives WHERE sha256 = ?');

  const referredTo = async (): Promise<Set<string>> => {
    const found = new Set<string>();
    const scripts = new Set<string>();
    for (const page of pages) {
      for (let after = 0; ; ) {
        const rows = page.all(after, batch);
        for (const { directive_sha256, script_sha256 } of rows) {
          found.add(directive_sha256);
          if (script_sha256 !== null) scripts.add(script_sha256);
        }
        if (rows.length < batch) break;
        after = rows.at(-1)?.place ?? after;
        // Others have their turn between pages.
        await breathe();
      }
    }
    for (const script of scripts) {
      const list = besideKey('files that the script can load', script);
      for (const one of [script, list, besideKey('fix script', script)]) found.add(one);
      for (const file of filesOf(text.get(list) ?? '').values()) found.add(file);
    }
    return found;
  };

  return async (before) => {
    const candidates = old.all(before);
    if (candidates.length === 0) return 0;
    const inUse = await referredTo();
    const gone = candidates.filter((sha256) => !inUse.has(sha256));
    let removed = 0;
    for (let from = 0; from < gone.length; from += batch)
      removed += await write(false, () => {
        const these = gone.slice(from, from + batch).filter((sha256) => remove.run(sha256, before).changes === 1);
        for (const sha256 of these) removeRevision.run(sha256);
        return these.length;
      });
    return removed;
  };
}
