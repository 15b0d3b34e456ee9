// What a home's worker does for it from time to time.
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cancelTask, createTask, dismissAnneal, recordFailure } from '../../src/tools/index.js';
import { createHousekeeping } from '../../src/worker/housekeeping.js';
import { createTestApp, createTestClock } from '../helpers/test-app.js';

const day = 24 * 60 * 60_000;

async function keptHome() {
  const clock = createTestClock();
  const app = await createTestApp({ start: false, clock, settings: { DOE_KEEP_DAYS: '30' } });
  const task = async (task_id: string, over: boolean) => {
    await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id });
    if (over) await app.call(cancelTask, { task_id });
    await app.dispatcher.store.logs.append([
      { taskId: task_id, runId: null, stream: 'system', text: task_id, at: clock.now() },
    ]);
  };
  return { app, clock, task, store: app.dispatcher.store, housekeeping: createHousekeeping(app.dispatcher) };
}

it('removes finished tasks and log lines after the days that they are kept, and leaves the events', async () => {
  const { clock, task, store, housekeeping } = await keptHome();
  await task('old', true);
  await task('open', false);
  clock.advance(10 * day);
  await task('young', true);
  await housekeeping.look();
  expect(await store.tasks.get('old')).not.toBeNull();
  clock.advance(20 * day + 1);
  await housekeeping.look();
  expect(await store.tasks.get('old')).toBeNull();
  expect(await store.logs.tail('open', 5)).toEqual([]);
  expect([await store.tasks.get('open'), await store.tasks.get('young')]).not.toContain(null);
  expect(await store.logs.tail('young', 5)).toHaveLength(1);
  expect((await store.ledger.events({ taskId: 'old', limit: 5 })).map(({ type }) => type)).toEqual([
    'created',
    'cancelled',
  ]);
  expect((await store.ledger.verify()).faults).toEqual([]);
});

it('removes the bundle of a task with it, and nothing else that lies there', async () => {
  const { app, clock, store, housekeeping } = await keptHome();
  const failed = async (task_id: string, dismissed: boolean) => {
    await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id });
    const { aid } = await app.call(recordFailure, { task_id, error_type: 'x', classification: 'unknown' });
    if (dismissed) await app.call(dismissAnneal, { task_id });
    return aid;
  };
  const [over, open] = [await failed('over', true), await failed('open', false)];
  app.write({ 'anneal-tasks/anneal_of_mine/notes.md': 'kept', [`anneal-tasks/${over}/notes.md`]: 'what I tried' });
  const left = () => readdirSync(join(app.home, 'anneal-tasks')).sort();
  await housekeeping.look();
  expect(left()).toEqual([open, over, 'anneal_of_mine'].sort());
  clock.advance(31 * day);
  await housekeeping.look();
  expect(await store.tasks.get('over')).toBeNull();
  expect(left()).toEqual([open, 'anneal_of_mine'].sort());
});

it('leaves the bundle that somebody touched within the days', async () => {
  const { app, clock, housekeeping } = await keptHome();
  await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id: 'a' });
  const { aid } = await app.call(recordFailure, { task_id: 'a', error_type: 'x', classification: 'unknown' });
  await app.call(dismissAnneal, { task_id: 'a' });
  await housekeeping.look();
  clock.advance(31 * day);
  const notes = join(app.home, 'anneal-tasks', aid, 'notes.md');
  writeFileSync(notes, 'still at it');
  utimesSync(notes, clock.now() / 1000, clock.now() / 1000);
  await housekeeping.look();
  expect(readFileSync(notes, 'utf8')).toBe('still at it');
});

it('prunes once an hour and seals once a minute, however often it is called', async () => {
  const { clock, task, store, housekeeping } = await keptHome();
  await housekeeping.look();
  await task('a', true);
  clock.jump(40 * day);
  await housekeeping.look();
  expect(await store.tasks.get('a')).not.toBeNull();
  expect(await store.ledger.verify()).toMatchObject({ seals: 0 });
  clock.advance(60_000);
  await housekeeping.look();
  expect(await store.ledger.verify()).toMatchObject({ seals: 1, sealedUpTo: 2 });
  expect(await store.tasks.get('a')).not.toBeNull();
  clock.advance(59 * 60_000);
  await housekeeping.look();
  expect(await store.tasks.get('a')).toBeNull();
});

it('cancels what awaited its acknowledgement for a week', async () => {
  const { clock, task, store, housekeeping } = await keptHome();
  await task('waits', false);
  clock.advance(7 * day);
  await housekeeping.look();
  expect((await store.tasks.get('waits'))?.status).toBe('awaiting_ack');
  clock.advance(1);
  await housekeeping.look();
  expect((await store.tasks.get('waits'))?.status).toBe('cancelled');
});

it('throws nothing away by a date far ahead that is put right within the hour, nor afterwards, though an event has that date', async () => {
  const { clock, task, store, housekeeping } = await keptHome();
  await task('over', true);
  const look = async (ms: number) => {
    clock.advance(ms);
    await housekeeping.look();
  };
  await look(0);
  await look(60 * 60_000);
  clock.jump(400 * day);
  await task('of-that-date', true);
  await look(0);
  await look(59 * 60_000);
  clock.jump(-400 * day);
  await look(0);
  await look(2 * 60 * 60_000);
  expect(await store.now()).toBeGreaterThan(clock.now() + 399 * day);
  expect((await store.tasks.get('over'))?.status).toBe('cancelled');
  expect(await store.logs.tail('over', 5)).toHaveLength(1);
});
