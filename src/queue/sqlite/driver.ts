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
  db.prepare = ((sql: string) =>
    atFirstUse(() => {
      const statement = prepare(sql);
      held.push(statement);
      return statement;
    })) as Database['prepare'];
  db.pragma = (text, { simple = false } = {}) => {
    const statement = prepareOnce(db, `PRAGMA ${text}`);
    if (!statement.reader) return statement.run();
    return simple ? (statement.pluck().get() as unknown) : statement.pluck(false).all();
  };
  return db;
}

type Used = Pick<Statement, 'reader' | 'run' | 'get' | 'all' | 'iterate' | 'pluck'>;

/** Compiled when it is first used: who opens a home needs few of its hundred statements, and a home is opened often. */
function atFirstUse(make: () => Statement): Used {
  let made: Statement | undefined;
  let plucked = false;
  const statement = () => {
    if (made === undefined) {
      made = make();
      if (plucked) made.pluck();
    }
    return made;
  };
  const used: Used = {
    get reader() {
      return statement().reader;
    },
    run: (...values) => statement().run(...values),
    get: (...values) => statement().get(...values),
    all: (...values) => statement().all(...values),
    iterate: (...values) => statement().iterate(...values),
    pluck(toggle = true) {
      plucked = toggle;
      made?.pluck(toggle);
      return used as Statement;
    },
  };
  return used;
}

/** For SQL that is put together at the moment of use: one statement for each text. */
export function prepareOnce<Parameters extends unknown[], Row>(db: Database, sql: string): Statement<Parameters, Row> {
  const known = byText.get(db);
  const statement = known?.get(sql) ?? db.prepare(sql);
  known?.set(sql, statement);
  return statement as unknown as Statement<Parameters, Row>;
}
