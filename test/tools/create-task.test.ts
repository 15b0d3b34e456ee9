import { expect, test } from 'vitest';
import { isoTime } from '../../src/clock.js';
import { createTask } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { createTestApp, createTestClock } from '../helpers/test-app.js';

test('the seven days of run_after count from the time that says when a task is due, also when the clock is set back', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const create = (run_after?: string) =>
    app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'me', ...(run_after ? { run_after } : {}) });
  await create();
  const latest = clock.now() + 7 * 24 * 60 * 60_000;
  clock.jump(-60 * 60_000);
  expect(await create(isoTime(latest))).toMatchObject({ created: true });
  expect((await refusalOf(() => create(isoTime(latest + 1)))).code).toBe('invalid_input');
});
