// better-sqlite3 as it must be used on every Node: since 24.19 Node aborts when a native object of the driver's kind is
// collected while no script runs, so none may ever be: whatever the driver makes is held for the life of the process.
import Sqlite, { type Database, type Options, type Statement } from 'better-sqlite3';

const held: object[] = [];
const byText = new WeakMap<Database, Map<string, Statement>>();

/** Opens a file. The statements and pragmas of the connection are held; those of a text that repeats are made once. */
export function openFile(path: string, options: Options): Database {
  const db = new Sqlite(path, options);
  const prepare = db.prepare.bind(db);
  held.push(db);
  byText.set(db, new Map());
  db.prepare = ((sql: string) => {
    const statement = prepare(sql);
    held.push(statement);
    return statement;
  }) as Database['prepare'];
  db.pragma = (text, { simple = false } = {}) => {
    const statement = prepareOnce(db, `PRAGMA ${text}`);
    if (!statement.reader) return statement.run();
    return simple ? (statement.pluck().get() as unknown) : statement.pluck(false).all();
  };
  return db;
}

/** For SQL that is put together at the moment of use: one statement for each text. */
export function prepareOnce<Parameters extends unknown[], Row>(db: Database, sql: string): Statement<Parameters, Row> {
  const known = byText.get(db);
  const statement = known?.get(sql) ?? db.prepare(sql);
  known?.set(sql, statement);
  return statement as unknown as Statement<Parameters, Row>;
}
