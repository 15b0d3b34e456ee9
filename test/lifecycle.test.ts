import { expect, test } from 'vitest';
import { acknowledge, createTask, taskStatus } from '../src/tools/index.js';
import { createTestApp } from './helpers/test-app.js';

test('a task is created, acknowledged, run, and its result read', async () => {
  const app = await createTestApp();
  const created = await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' });
  expect(created.status).toBe('awaiting_ack');
  const ack = await app.call(acknowledge, { task_id: created.task_id, actor_id: 'me', binding: created.binding });
  expect(ack).toMatchObject({ status: 'queued', assurance: 'operator' });
  await app.until(created.task_id, 'succeeded');
  const { task, logs } = await app.call(taskStatus, { task_id: created.task_id });
  expect(task.result).toEqual({ said: 'hello' });
  expect(logs.map(({ text }) => text)).toContain('hello p1');
});
