// Brings a database to this version's schema, in one transaction a step. A newer database is refused untouched.
import type { Database } from 'better-sqlite3';
import { DispatcherError } from '../../errors.js';
import { restoreHint } from './faults.js';
import { type Migration, migrations } from './schema.js';

const schemaVersion = migrations.at(-1)?.version ?? 0;

/** The schema's version, as SQLite keeps it in the file's header. */
export const versionOf = (db: Database): number => db.pragma('user_version', { simple: true }) as number;

/** @throws DispatcherError `database_newer` */
export function assertNotNewer(version: number): void {
  if (version <= schemaVersion) return;
  throw new DispatcherError(
    'database_newer',
    `The database has schema version ${version}; this program knows up to ${schemaVersion}.`,
    {
      hint: 'Update doe-dispatcher, or point --home at another folder. Nothing was changed.',
    },
  );
}

/**
 * Of the tables that the database's version has none is gone. Statements are compiled at their first use: without this look the
 * task that needs the table would be the first to find out.
 * @throws DispatcherError `database_broken`
 */
export function assertLaidOut(db: Database): void {
  const version = versionOf(db);
  const found = new Set(db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all());
  const expected = migrations.filter((migration) => migration.version <= version).flatMap(tablesOf);
  const missing = expected.filter((table) => !found.has(table));
  if (missing.length === 0) return;
  throw new DispatcherError('database_broken', `The database ${db.name} lacks ${missing.join(', ')}.`, {
    hint: restoreHint,
  });
}

const tablesOf = ({ sql }: Migration): string[] =>
  Array.from(sql.matchAll(/^CREATE TABLE (\w+)/gm), ([, name = '']) => name);

/** Two processes may migrate at once: each step looks again once it holds the write lock. */
export function migrate(db: Database): void {
  for (const { version, sql } of migrations) {
    if (versionOf(db) >= version) continue;
    db.transaction(() => {
      if (versionOf(db) >= version) return;
      db.exec(sql);
      db.pragma(`user_version = ${version}`);
    }).immediate();
  }
}
