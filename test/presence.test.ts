// Who lives on a home, as the processes on it judge each other.
import { spawnSync } from 'node:child_process';
import { hostname } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { createObserver } from '../src/living.js';
import { silentLog } from '../src/log.js';
import { createPresence, type Presence } from '../src/presence.js';
import { openSqliteStore } from '../src/queue/sqlite/index.js';
import type { ProcessKind } from '../src/queue/store.js';
import { model } from './helpers/store-fixtures.js';
import { createTestClock, temporaryFolder } from './helpers/test-app.js';

const leaseMs = 30_000;

function aHome() {
  const clock = createTestClock();
  const store = openSqliteStore({ home: temporaryFolder(), clock });
  onTestFinished(() => store.close());
  const create = (kind: ProcessKind = 'mcp') => {
    const presence = createPresence({
      store,
      kind,
      version: '1',
      leaseMs,
      configured: 'http://127.0.0.1:4000',
      clock,
      log: silentLog,
    });
    onTestFinished(() => presence.leave().catch(() => {}));
    return presence;
  };
  const join = (presence: Presence) => presence.join('http://127.0.0.1:1', () => 'standby');
  const leaders = async (all: Presence[]) => {
    const lead = await Promise.all(all.map((one) => one.mayLead()));
    return lead.filter(Boolean).length;
  };
  return { clock, store, create, join, leaders };
}

test('of two that were created in one order and joined later, one leads', async () => {
  const { clock, create, join, leaders } = aHome();
  const first = create();
  clock.advance(5);
  const second = create();
  clock.advance(5);
  await join(first);
  clock.advance(5);
  await join(second);
  expect([await first.mayLead(), await second.mayLead()]).toEqual([true, false]);
  await first.leave();
  expect(await leaders([second])).toBe(1);
});

test('of several that join while the clock is set back or stands still, one leads', async () => {
  const { clock, store, create, join, leaders } = aHome();
  const all = [create()];
  for (const jump of [0, -3_600_000, 0, -1, 7_200_000, -86_400_000]) {
    await store.ledger.record({ taskId: null, type: 'paused', assurance: null, data: {} }, model);
    for (const one of all.slice(-1)) await join(one);
    expect(await leaders(all)).toBe(1);
    clock.jump(jump);
    all.push(create());
  }
});

test('one that has not joined, or was taken off the list, does not lead', async () => {
  const { store, create, join } = aHome();
  const presence = create();
  expect(await presence.mayLead()).toBe(false);
  await join(presence);
  expect(await presence.mayLead()).toBe(true);
  await store.ledger.leave(presence.processId);
  expect(await presence.mayLead()).toBe(false);
});

test('one that was taken off the list while it slept is back with its next beat, and after it left no beat brings it back', async () => {
  const { store, create, join } = aHome();
  const presence = create('serve');
  await join(presence);
  const [listed] = await store.ledger.processes();
  await store.ledger.leave(presence.processId);
  await presence.beat();
  expect(await store.ledger.processes()).toEqual([{ ...listed, beat: 0 }]);
  await store.ledger.leave(presence.processId);
  const late = presence.beat();
  await Promise.all([presence.leave(), late]);
  await presence.beat();
  expect(await store.ledger.processes()).toEqual([]);
});

test('a process is alive while its beat moves within a lease by our own clock, and gone after ten without one; a dead pid of this host counts at once', async () => {
  const { clock, store } = aHome();
  const look = createObserver({ ledger: store.ledger, leaseMs, clock });
  const about = { kind: 'worker', pidStart: null, address: null, worker: 'on', version: '1' } as const;
  const deadPid = spawnSync('true').pid;
  await store.ledger.join({ ...about, id: 'far', host: 'elsewhere', pid: deadPid });
  await store.ledger.join({ ...about, id: 'here', host: hostname(), pid: process.pid });
  await store.ledger.join({ ...about, id: 'dead', host: hostname(), pid: deadPid });
  const judged = async () => {
    const rows = await look();
    return [rows.filter(({ alive }) => alive), rows.filter(({ gone }) => gone)].map((some) => some.map(({ id }) => id));
  };
  expect(await judged()).toEqual([['far', 'here'], []]);
  clock.jump(7 * 86_400_000);
  clock.advance(leaseMs - 1);
  expect(await judged()).toEqual([['far', 'here'], []]);
  await store.ledger.beat('far', 'on');
  await judged();
  clock.advance(1);
  expect(await judged()).toEqual([['far'], []]);
  clock.advance(10 * leaseMs - 2);
  expect(await judged()).toEqual([[], ['dead', 'here']]);
  await store.ledger.beat('here', 'on');
  expect((await judged())[0]).toEqual(['here']);
});
