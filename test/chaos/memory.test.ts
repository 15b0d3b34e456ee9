// A worker that ends a thousand tasks a minute, for ten minutes' worth of them, holds no more than after the first minute.
// Short where CI is set.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createTask } from '../../src/tools/index.js';
import { createTestApp } from '../helpers/test-app.js';
import { jobHome, trustAll, untilTrue } from '../helpers/worker-home.js';

const tasks = process.env.CI === undefined ? 10_000 : 800;
const warm = process.env.CI === undefined ? 1000 : 300;
const batch = 50;
const mostGrowth = 10 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

test(`${tasks} tasks later the worker holds no more than after the first ${warm}`, { timeout: 1_800_000 }, async () => {
  const app = await createTestApp({ files: jobHome('true', 'require_ack: false'), settings: { DOE_POLL_MS: '200' } });
  await trustAll(app);
  let before = 0;
  for (let made = 0; made < tasks; made += batch) {
    if (made === warm) before = heldBytes();
    const create = () => app.call(createTask, { task_type: 'job', project_id: 'p', actor_id: 'me' });
    await Promise.all(Array.from({ length: batch }, create));
    await untilTrue(app, async () => (await app.dispatcher.store.tasks.counts()).succeeded === made + batch);
  }
  expect(heldBytes() - before).toBeLessThan(mostGrowth);
});
