// What a home's worker does for it from time to time.
import { expect, it } from 'vitest';
import { cancelTask, createTask } from '../../src/tools/index.js';
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
