// What goes wrong with a file: each fault has a name, and nothing is left half written.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openConnection } from '../../src/queue/sqlite/connection.js';
import { openSqliteStore, storeOn } from '../../src/queue/sqlite/index.js';
import { migrations } from '../../src/queue/sqlite/schema.js';
import type { Store } from '../../src/queue/store.js';
import {
  failure,
  jo,
  model,
  newTask,
  queuedTask,
  settlementOf,
  startNext,
  trustedTask,
  worker,
} from '../helpers/store-fixtures.js';
import { temporaryFolder } from '../helpers/test-app.js';

const fileIn = (home: string) => join(home, 'db.sqlite');

function open(home = temporaryFolder(), options = {}) {
  const connection = openConnection(fileIn(home), options);
  const store = storeOn(connection, systemClock);
  onTestFinished(() => store.close());
  return { home, store, db: connection.db, write: connection.write };
}

const plain = new Sqlite(':memory:').prepare('SELECT 1');
/** What all statements of the driver share. */
const statements = Object.getPrototypeOf(plain) as Sqlite.Statement;

const openPlain = (home: string) => openSqliteStore({ home, clock: systemClock });
const codes = async (answers: PromiseSettledResult<unknown>[]) =>
  answers.map((answer) => (answer.status === 'fulfilled' ? 'done' : answer.reason.code));

/** The tables that SQLite itself counts once the migrations are done. */
function tables(): string[] {
  const db = new Sqlite(':memory:');
  for (const { sql } of migrations) db.exec(sql);
  return db
    .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .pluck()
    .all();
}

function assertLacking(home: string, table: string): void {
  const before = readFileSync(fileIn(home));
  expect(() => openPlain(home)).toThrow(
    expect.objectContaining({ code: 'database_broken', message: `The database ${fileIn(home)} lacks ${table}.` }),
  );
  expect(readFileSync(fileIn(home)).equals(before)).toBe(true);
  expect(readdirSync(home)).toEqual(['db.sqlite']);
}

describe('a database', () => {
  it('of a newer version is refused, and left as it is', () => {
    const home = temporaryFolder();
    const newer = new Sqlite(fileIn(home));
    newer.exec('CREATE TABLE from_the_future (a); PRAGMA user_version = 99');
    newer.close();
    const before = readFileSync(fileIn(home));
    expect(() => openPlain(home)).toThrow(
      expect.objectContaining({ code: 'database_newer', hint: expect.stringContaining('Update') }),
    );
    expect(readFileSync(fileIn(home))).toEqual(before);
    expect(readdirSync(home)).toEqual(['db.sqlite']);
  });

  it('of an older version is brought to this one, with what is in it', async () => {
    const home = temporaryFolder();
    const older = new Sqlite(fileIn(home));
    const [last, ...before] = [...migrations].reverse();
    for (const { sql } of before.reverse()) older.exec(sql);
    older.exec(`INSERT INTO facts VALUES ('there', '1'); PRAGMA user_version = ${(last?.version ?? 0) - 1}`);
    older.close();
    const store = openPlain(home);
    onTestFinished(() => store.close());
    expect(await store.ledger.fact('there')).toBe('1');
    const { id } = await queuedTask(store);
    await store.tasks.recordFailure(id, 'anneal_1', failure, jo);
    expect(await store.ledger.failedPayload((await store.ledger.lastFailure(id))?.id ?? 0)).toEqual({ name: 'one' });
  });

  it('that a newer program migrated meanwhile gives no task any more', async () => {
    const { store, home } = open();
    await store.tasks.create(trustedTask(), model);
    const newer = new Sqlite(fileIn(home));
    newer.pragma('user_version = 99');
    newer.close();
    await expect(store.tasks.claim(worker)).rejects.toMatchObject({ code: 'database_newer' });
    expect(await store.tasks.leases()).toEqual([]);
  });

  it('that is none is refused, and left as it is', () => {
    const home = temporaryFolder();
    writeFileSync(fileIn(home), 'These are my shopping notes, and no database at all. '.repeat(100));
    const before = readFileSync(fileIn(home));
    expect(() => openPlain(home)).toThrow(
      expect.objectContaining({ code: 'database_broken', hint: expect.stringContaining('backup') }),
    );
    expect(readFileSync(fileIn(home))).toEqual(before);
  });

  it('that was damaged in the middle says so when it is read', async () => {
    const { store, home } = open();
    for (let index = 0; index < 50; index += 1)
      await store.tasks.create(newTask({ payloadJson: `{"a":"${'x'.repeat(4000)}"}` }), model);
    await store.close();
    const bytes = readFileSync(fileIn(home));
    bytes.fill(0xff, bytes.length / 2);
    writeFileSync(fileIn(home), bytes);
    const damaged = openPlain(home);
    onTestFinished(() => damaged.close());
    await expect(damaged.tasks.list({ limit: 100 })).rejects.toMatchObject({ code: 'database_broken' });
  });

  it.each(tables())('that lacks the table %s is refused by its name, and left as it is', async (table) => {
    const home = temporaryFolder();
    await openPlain(home).close();
    const db = new Sqlite(fileIn(home));
    db.exec(`PRAGMA foreign_keys = OFF; DROP TABLE ${table}`);
    db.close();
    assertLacking(home, table);
  });

  it('of an older version that lacks a table is refused before it is brought to this one', () => {
    const home = temporaryFolder();
    const older = new Sqlite(fileIn(home));
    older.exec(`${migrations[0]?.sql}; DROP TABLE failures; PRAGMA user_version = 1`);
    older.close();
    assertLacking(home, 'failures');
  });

  it('in a folder that is not there is not made', () => {
    const home = join(temporaryFolder(), 'missing');
    expect(() => openPlain(home)).toThrow(expect.objectContaining({ code: 'home_not_found' }));
    expect(existsSync(home)).toBe(false);
  });

  it('that is a folder is refused by name', () => {
    const home = temporaryFolder();
    mkdirSync(fileIn(home));
    expect(() => openPlain(home)).toThrow(expect.objectContaining({ code: 'home_not_writable' }));
  });

  it('is its owner’s alone', () => {
    const { home } = open();
    for (const name of readdirSync(home)) expect(statSync(join(home, name)).mode & 0o777, name).toBe(0o600);
  });
});

describe('a full disk', () => {
  const fill = (db: Sqlite.Database) => {
    const pages = db.pragma('page_count', { simple: true });
    db.pragma(`max_page_count = ${pages}`);
  };
  const big = () => newTask({ payloadJson: `{"a":"${'x'.repeat(50_000)}"}` });

  it('refuses a move whole, and takes it again when there is space', async () => {
    const { store, db } = open();
    await store.tasks.create(newTask(), model);
    fill(db);
    const wanted = big();
    const before = await store.ledger.events({ limit: 10 });
    await expect(store.tasks.create(wanted, model)).rejects.toMatchObject({
      code: 'store_unavailable',
      hint: expect.stringContaining('space'),
    });
    expect(await store.tasks.get(wanted.id)).toBeNull();
    expect(await store.ledger.events({ limit: 10 })).toEqual(before);
    db.pragma('max_page_count = 1073741823');
    expect((await store.tasks.create(wanted, model)).created).toBe(true);
    expect((await store.ledger.verify()).faults).toEqual([]);
  });

  it('refuses all moves that shared a transaction with it, and goes on afterwards', async () => {
    const { store, db } = open();
    await store.tasks.create(newTask(), model);
    fill(db);
    const wanted = [newTask(), big(), newTask()];
    const answers = await Promise.allSettled(wanted.map((task) => store.tasks.create(task, model)));
    expect(await codes(answers)).toEqual(['store_unavailable', 'store_unavailable', 'store_unavailable']);
    for (const { id } of wanted) expect(await store.tasks.get(id)).toBeNull();
    db.pragma('max_page_count = 1073741823');
    expect(await codes(await Promise.allSettled(wanted.map((task) => store.tasks.create(task, model))))).toEqual([
      'done',
      'done',
      'done',
    ]);
    expect((await store.ledger.verify()).faults).toEqual([]);
  });

  it('does not settle a run half, and settles it later', async () => {
    const { store, db } = open();
    await queuedTask(store);
    const { run, task } = await startNext(store);
    fill(db);
    const settlement = settlementOf(run, 'succeeded', { result: 'x'.repeat(50_000) });
    await expect(store.tasks.settle(settlement)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await store.tasks.get(task.id)).toMatchObject({ status: 'running', runId: run.id });
    expect(await store.tasks.run(run.id)).toMatchObject({ outcome: null });
    db.pragma('max_page_count = 1073741823');
    expect(await store.tasks.settle(settlement)).toMatchObject({ status: 'succeeded' });
  });
});

describe('moves that share a transaction', () => {
  /** As many moves in one turn as there are functions. */
  const together = (write: ReturnType<typeof open>['write'], moves: (() => unknown)[]) =>
    Promise.allSettled(moves.map((move) => write(true, move)));
  const remember = (db: Sqlite.Database, name: string) => () =>
    void db.prepare("INSERT INTO facts VALUES (?, '1')").run(name);

  it('fail each on its own', async () => {
    const { db, write, store } = open();
    const fail = () => {
      remember(db, 'lost')();
      throw new Error('mine alone');
    };
    const answers = await together(write, [remember(db, 'first'), fail, remember(db, 'last')]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect([
      await store.ledger.fact('first'),
      await store.ledger.fact('lost'),
      await store.ledger.fact('last'),
    ]).toEqual(['1', null, '1']);
  });

  it.each([1, 3])(
    'are all refused when SQLite rolls back the whole of it by itself, with %s of them',
    async (count) => {
      const { db, write, store } = open();
      remember(db, 'there')();
      const rollback = () => void db.prepare("INSERT OR ROLLBACK INTO facts VALUES ('there', '2')").run();
      const moves = [remember(db, 'first'), rollback, remember(db, 'last')].slice(
        count === 1 ? 1 : 0,
        count === 1 ? 2 : 3,
      );
      const answers = await together(write, moves);
      expect(answers.map(({ status }) => status)).toEqual(Array(count).fill('rejected'));
      expect([
        await store.ledger.fact('first'),
        await store.ledger.fact('last'),
        await store.ledger.fact('there'),
      ]).toEqual([null, null, '1']);
      expect(db.inTransaction).toBe(false);
      await write(true, remember(db, 'after'));
      expect(await store.ledger.fact('after')).toBe('1');
    },
  );

  it('leave nothing when each of them fails', async () => {
    const { db, write } = open();
    const fail = () => {
      throw new Error('no');
    };
    const answers = await together(write, [fail, fail]);
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(db.inTransaction).toBe(false);
  });
});

describe('another process that holds the write lock', () => {
  /** Resolves when SQLite has refused the begin of a transaction `count` times. */
  const refusedBegins = (count: number) =>
    new Promise<void>((resolve) => {
      const { run } = statements;
      let refused = 0;
      const spy = vi.spyOn(statements, 'run').mockImplementation(function (this: Sqlite.Statement, ...values) {
        try {
          return run.apply(this, values);
        } catch (error) {
          if (this.source.startsWith('BEGIN') && ++refused === count) resolve();
          throw error;
        }
      });
      onTestFinished(() => spy.mockRestore());
    });

  it('makes a move wait without blocking anything else', async () => {
    const { home, store } = open();
    const holder = new Sqlite(fileIn(home));
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    const triedTwice = refusedBegins(2);
    const states: string[] = [];
    const move = store.tasks.create(newTask({ id: 'a' }), model).then(() => states.push('created'));
    await store.tasks.get('a');
    await triedTwice;
    states.push('released');
    holder.exec('COMMIT');
    await move;
    expect(states).toEqual(['released', 'created']);
  });

  it('for too long lets it fail with nothing changed', async () => {
    const { home, store } = open(undefined, { busyLimitMs: 20 });
    const holder = new Sqlite(fileIn(home));
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    await expect(store.tasks.create(newTask({ id: 'a' }), model)).rejects.toMatchObject({ code: 'store_busy' });
    holder.exec('COMMIT');
    expect((await store.tasks.create(newTask({ id: 'a' }), model)).created).toBe(true);
  });
});

describe('a busy spell', () => {
  it('refuses the moves that waited long, and lets one that came late wait its own time', async () => {
    let now = 0;
    const { home, store } = open(undefined, { busyLimitMs: 10_000, monotonic: () => now });
    const holder = new Sqlite(fileIn(home));
    onTestFinished(() => void holder.close());
    holder.exec('BEGIN IMMEDIATE');
    const early = store.tasks.create(newTask({ id: 'early' }), model);
    await triedOnce();
    now = 9_999;
    const late = store.tasks.create(newTask({ id: 'late' }), model);
    await triedOnce();
    now = 10_000;
    await expect(early).rejects.toMatchObject({ code: 'store_busy' });
    holder.exec('COMMIT');
    expect((await late).created).toBe(true);
    expect(await store.tasks.get('early')).toBeNull();
  });

  /** A try blocks for the busy timeout of a few milliseconds in the turn that follows. */
  const triedOnce = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
});

describe('a rollback that the disk refuses too', () => {
  it('answers every move that shared it, and the next one finds nothing of them', async () => {
    const { db, store, write } = open();
    const { run } = statements;
    let refused = 0;
    const broken = vi.spyOn(statements, 'run').mockImplementation(function (this: Sqlite.Statement, ...given) {
      if (this.source !== 'ROLLBACK') return run.apply(this, given);
      refused += 1;
      throw Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' });
    });
    const move = (name: string) => () => {
      db.prepare("INSERT INTO facts VALUES (?, '1')").run(name);
      throw new Error('no');
    };
    const answers = await Promise.allSettled(['first', 'second'].map((name) => write(true, move(name))));
    expect(await codes(answers)).toEqual(['store_unavailable', 'store_unavailable']);
    expect([refused, db.inTransaction]).toEqual([2, true]);
    await expect(write(true, move('third'))).rejects.toMatchObject({ code: 'store_unavailable' });
    broken.mockRestore();
    await store.tasks.create(newTask({ id: 'after' }), model);
    expect([await store.ledger.fact('first'), await store.ledger.fact('third')]).toEqual([null, null]);
    expect(await store.tasks.get('after')).not.toBeNull();
  });
});

describe('a store that closes', () => {
  it('answers what waits, and refuses what comes later', async () => {
    const { store, home } = open();
    const waiting = store.tasks.create(newTask({ id: 'a' }), model);
    const closing = store.close();
    await expect(store.tasks.create(newTask({ id: 'b' }), model)).rejects.toMatchObject({ code: 'shutting_down' });
    await closing;
    expect((await waiting).created).toBe(true);
    await expect(store.tasks.get('a')).rejects.toMatchObject({ code: 'shutting_down' });
    await store.close();
    expect(await open(home).store.tasks.get('a')).not.toBeNull();
  });
});

describe('the write-ahead log', () => {
  it('is written back between moves, not only at the end', async () => {
    const { store, home } = open();
    const before = statSync(fileIn(home)).size;
    for (let index = 0; index < 600; index += 1) await store.tasks.setPaused(index % 2 === 0, jo);
    expect(statSync(fileIn(home)).size).toBeGreaterThan(before);
  });
});

describe('a backup', () => {
  async function someTasks(store: Store) {
    await queuedTask(store, { id: 'a' });
    await store.tasks.settle(settlementOf((await startNext(store)).run, 'succeeded'));
    await store.ledger.seal();
  }

  it('is a whole store of its own, whose trail verifies', async () => {
    const { store } = open();
    await someTasks(store);
    const homeId = await store.ledger.homeId();
    const folder = temporaryFolder();
    await store.backup(fileIn(folder));
    expect(readdirSync(folder)).toEqual(['db.sqlite']);
    expect(statSync(fileIn(folder)).mode & 0o777).toBe(0o600);
    await store.tasks.setPaused(true, jo);
    const copy = openPlain(folder);
    onTestFinished(() => copy.close());
    expect(await copy.tasks.get('a')).toEqual(await store.tasks.get('a'));
    expect(await copy.tasks.paused()).toBe(false);
    expect(await copy.ledger.homeId()).toBe(homeId);
    expect(await copy.ledger.verify()).toMatchObject({ events: 4, seals: 1, faults: [] });
    await copy.tasks.setPaused(true, jo);
    expect(await copy.ledger.verify()).toMatchObject({ events: 5, faults: [] });
  });

  it('is made while another process holds the write lock', async () => {
    const { store, home } = open();
    await someTasks(store);
    const writer = new Sqlite(fileIn(home));
    onTestFinished(() => void writer.close());
    writer.exec("BEGIN IMMEDIATE; INSERT INTO facts VALUES ('not_yet', '1')");
    const folder = temporaryFolder();
    await store.backup(fileIn(folder));
    writer.exec('COMMIT');
    const copy = openPlain(folder);
    onTestFinished(() => copy.close());
    expect(await copy.ledger.fact('not_yet')).toBeNull();
  });

  it('overwrites nothing, and leaves nothing half made', async () => {
    const { store, home } = open();
    await someTasks(store);
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'mine'), 'mine');
    await expect(store.backup(join(folder, 'mine'))).rejects.toMatchObject({ code: 'file_exists' });
    await expect(store.backup(fileIn(home))).rejects.toMatchObject({ code: 'file_exists' });
    await expect(store.backup(join(folder, 'no', 'such', 'folder'))).rejects.toMatchObject({ code: 'invalid_input' });
    expect(readFileSync(join(folder, 'mine'), 'utf8')).toBe('mine');
    expect(readdirSync(folder)).toEqual(['mine']);
  });
});
