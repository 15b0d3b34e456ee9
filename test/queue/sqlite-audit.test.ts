// An audit trail that somebody laid hands on: each edited, removed or moved row is named.
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { eventHash } from '../../src/queue/sqlite/events.js';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import type { EventRow } from '../../src/queue/sqlite/rows.js';
import { jo, model, newTask, trustedTask } from '../helpers/store-fixtures.js';
import { createTestClock, temporaryFolder } from '../helpers/test-app.js';

/** Events 1 to 6: a and b created, both cancelled, a pause, c created; with a seal after the fourth where asked. */
async function trail({ sealed = false } = {}): Promise<string> {
  const home = temporaryFolder();
  const store = openSqliteStore({ home, clock: createTestClock() });
  await store.tasks.create(newTask({ id: 'a' }), model);
  await store.tasks.create(newTask({ id: 'b' }), model);
  await store.tasks.cancel('a', jo, 'no');
  await store.tasks.cancel('b', jo, 'no');
  if (sealed) await store.ledger.seal();
  await store.tasks.setPaused(true, jo);
  await store.tasks.create(trustedTask({ id: 'c' }), model);
  if (sealed) await store.ledger.seal();
  await store.close();
  return home;
}

/** Does what only someone with the file in hands can do: the triggers would refuse it to the program. */
function tamper(home: string, change: (db: Sqlite.Database) => void): void {
  const db = new Sqlite(`${home}/db.sqlite`);
  db.exec('DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed');
  change(db);
  db.close();
}

async function faultsOf(home: string) {
  const store = openSqliteStore({ home, clock: createTestClock() });
  const { faults } = await store.ledger.verify();
  await store.close();
  return faults.map(({ kind, seq, taskId }) => ({ kind, seq, taskId }));
}

/** Rewrites an event together with its hash, as someone does who knows how the trail is made. */
function rewrite(db: Sqlite.Database, seq: number, actor: string): void {
  const { hash: _, ...row } = db.prepare<[number], EventRow>('SELECT * FROM events WHERE seq = ?').get(seq) as EventRow;
  const before = db
    .prepare<[string | null, number], string>(
      'SELECT hash FROM events WHERE task_id IS ? AND seq < ? ORDER BY seq DESC',
    )
    .pluck()
    .get(row.task_id, seq);
  const hash = eventHash({ ...row, actor_id: actor }, before ?? '');
  db.prepare('UPDATE events SET actor_id = ?, hash = ? WHERE seq = ?').run(actor, hash, seq);
}

describe('the audit trail finds', () => {
  it('nothing where nobody touched it', async () => {
    expect(await faultsOf(await trail())).toEqual([]);
    expect(await faultsOf(await trail({ sealed: true }))).toEqual([]);
  });

  it.each(['actor_id', 'type', 'data', 'at', 'to_status', 'key_id'])('an event whose %s was edited', async (column) => {
    const home = await trail();
    const value = column === 'at' ? 1 : column === 'data' ? '{}' : 'mallory';
    tamper(home, (db) => db.prepare(`UPDATE events SET ${column} = ? WHERE seq = 3`).run(value));
    expect(await faultsOf(home)).toEqual([{ kind: 'event_changed', seq: 3, taskId: 'a' }]);
  });

  it('an event that was removed from the middle, and the one that it leaves unproven', async () => {
    const home = await trail();
    tamper(home, (db) => db.exec('DELETE FROM events WHERE seq = 2'));
    expect(await faultsOf(home)).toEqual([
      { kind: 'event_missing', seq: 2, taskId: null },
      { kind: 'event_unproven', seq: 4, taskId: 'b' },
    ]);
  });

  it('an event that was cut off the end, also after others were written', async () => {
    const home = await trail();
    tamper(home, (db) => db.exec('DELETE FROM events WHERE seq = 6'));
    expect(await faultsOf(home)).toEqual([{ kind: 'event_missing', seq: 6, taskId: null }]);
    const store = openSqliteStore({ home, clock: createTestClock() });
    await store.tasks.setPaused(false, jo);
    await store.close();
    expect(await faultsOf(home)).toEqual([{ kind: 'event_missing', seq: 6, taskId: null }]);
  });

  it('events that changed places', async () => {
    const home = await trail();
    tamper(home, (db) =>
      db.exec(
        'UPDATE events SET seq = -1 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = -1',
      ),
    );
    expect(await faultsOf(home)).toEqual([
      { kind: 'event_changed', seq: 3, taskId: 'b' },
      { kind: 'event_changed', seq: 4, taskId: 'a' },
    ]);
  });

  it('an event that was rewritten with its hash, by the one that follows it', async () => {
    const home = await trail();
    tamper(home, (db) => rewrite(db, 1, 'mallory'));
    expect(await faultsOf(home)).toEqual([{ kind: 'event_changed', seq: 3, taskId: 'a' }]);
  });

  it('the end of a chain that was rewritten with its hash, by its seal', async () => {
    const home = await trail({ sealed: true });
    tamper(home, (db) => rewrite(db, 4, 'mallory'));
    expect(await faultsOf(home)).toEqual([{ kind: 'event_changed', seq: 4, taskId: 'b' }]);
  });

  it('a chain that was cut off together with the count of events, by its seal', async () => {
    const home = await trail({ sealed: true });
    tamper(home, (db) =>
      db.exec("DELETE FROM events WHERE seq = 6; UPDATE sqlite_sequence SET seq = 5 WHERE name = 'events'"),
    );
    expect(await faultsOf(home)).toEqual([{ kind: 'event_missing', seq: 6, taskId: 'c' }]);
  });

  it('a chain that was cut off so before it was sealed, by where its task is', async () => {
    const home = await trail();
    tamper(home, (db) =>
      db.exec("DELETE FROM events WHERE seq > 3; UPDATE sqlite_sequence SET seq = 3 WHERE name = 'events'"),
    );
    expect(await faultsOf(home)).toEqual([
      { kind: 'state_unproven', seq: 0, taskId: 'c' },
      { kind: 'state_unproven', seq: 2, taskId: 'b' },
    ]);
  });

  it('a task that was moved past its trail', async () => {
    const home = await trail({ sealed: true });
    tamper(home, (db) => db.exec("UPDATE tasks SET status = 'succeeded' WHERE id = 'a'"));
    expect(await faultsOf(home)).toEqual([{ kind: 'state_unproven', seq: 3, taskId: 'a' }]);
  });

  it('a seal that was edited or removed', async () => {
    const edited = await trail({ sealed: true });
    tamper(edited, (db) => db.exec("UPDATE seals SET heads = '[]' WHERE seq = 1"));
    expect(await faultsOf(edited)).toEqual([{ kind: 'seal_changed', seq: 1, taskId: null }]);
    const removed = await trail({ sealed: true });
    tamper(removed, (db) => db.exec('DELETE FROM seals WHERE seq = 1'));
    expect(await faultsOf(removed)).toEqual([{ kind: 'seal_missing', seq: 1, taskId: null }]);
    const cut = await trail({ sealed: true });
    tamper(cut, (db) => db.exec('DELETE FROM seals WHERE seq = 2'));
    expect(await faultsOf(cut)).toEqual([{ kind: 'seal_missing', seq: 2, taskId: null }]);
  });

  it('each of several faults, in their order', async () => {
    const home = await trail({ sealed: true });
    tamper(home, (db) =>
      db.exec(
        "UPDATE events SET actor_id = 'mallory' WHERE seq = 5; DELETE FROM events WHERE seq = 1; DELETE FROM seals WHERE seq = 1",
      ),
    );
    expect(await faultsOf(home)).toEqual([
      { kind: 'event_missing', seq: 1, taskId: null },
      { kind: 'seal_missing', seq: 1, taskId: null },
      { kind: 'event_unproven', seq: 3, taskId: 'a' },
      { kind: 'event_unproven', seq: 5, taskId: null },
    ]);
  });
});

it('an event is neither changed nor removed by any statement of the program', async () => {
  const db = new Sqlite(`${await trail()}/db.sqlite`);
  expect(() => db.exec("UPDATE events SET actor_id = 'mallory'")).toThrow('events are never changed');
  expect(() => db.exec('DELETE FROM events')).toThrow('events are never removed');
  db.close();
});
