// The short ways: cancel, retry, dismiss.
import { z } from 'zod';
import { movesFrom, taskStatuses } from '../tasks/states.js';
import { actorIdSchema, taskIdSchema } from '../tasks/task.js';
import { nextCall } from './next-call.js';
import { defineOperation } from './operation.js';
import { pinTask } from './pinning.js';
import { byOf, requireTask, wrongState } from './views.js';

const actor = actorIdSchema.optional().describe('Your name, for the record');
const moved = z.object({ task_id: z.string(), status: z.enum(taskStatuses), next: z.string() });

export const cancelTask = defineOperation({
  name: 'cancel_task',
  title: 'Cancel a task',
  description:
    'Stops a task that waits, is queued or runs. A running script is ended first: it is cancelled once task_status says so. Use it when the work is not wanted any more.',
  input: z.object({ task_id: taskIdSchema, actor_id: actor, reason: z.string().max(2000).optional() }),
  output: moved,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tool: true,
  async run(dispatcher, { task_id, actor_id, reason }, call) {
    const by = byOf(call, actor_id);
    const task = await dispatcher.store.tasks.cancel(
      task_id,
      by,
      dispatcher.redact(reason ?? `Cancelled by ${by.actorId}.`),
    );
    if (task === null) throw wrongState(await requireTask(dispatcher, task_id), 'a cancel', movesFrom('cancelled'));
    return {
      task_id,
      status: task.status,
      next: task.status === 'running' ? nextCall(task) : 'It is cancelled; nothing runs.',
    };
  },
});

export const retryTask = defineOperation({
  name: 'retry_task',
  title: 'Retry a task',
  description: 'Sends a failed or cancelled task round again; it needs a fresh acknowledgement.',
  input: z.object({ task_id: taskIdSchema, actor_id: actor }),
  output: moved,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tool: false,
  async run(dispatcher, { task_id, actor_id }, call) {
    const task = await requireTask(dispatcher, task_id);
    const sources = movesFrom('retried');
    if (!sources.includes(task.status)) throw wrongState(task, 'a retry', sources);
    const { work } = await pinTask(dispatcher, {
      taskType: task.taskType,
      projectId: task.projectId,
      payload: task.payloadJson,
    });
    const repin = { taskId: task_id, move: 'retried', to: 'awaiting_ack', work, reason: null, runId: null } as const;
    const waiting = await dispatcher.store.tasks.repin(repin, byOf(call, actor_id));
    if (waiting === null) throw wrongState(await requireTask(dispatcher, task_id), 'a retry', sources);
    return { task_id, status: waiting.status, next: nextCall(waiting) };
  },
});

export const dismissAnneal = defineOperation({
  name: 'dismiss_anneal',
  title: 'Dismiss a repair',
  description: 'Closes the bundle of a task in needs_anneal without a repair; the task has failed then.',
  input: z.object({ task_id: taskIdSchema, actor_id: actor }),
  output: moved,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  tool: false,
  async run(dispatcher, { task_id, actor_id }, call) {
    const task = await dispatcher.store.tasks.dismissAnneal(task_id, byOf(call, actor_id));
    if (task === null)
      throw wrongState(await requireTask(dispatcher, task_id), 'a dismissal', movesFrom('anneal_dismissed'));
    return { task_id, status: task.status, next: `It has failed. \`doe retry ${task_id}\` sends it round again.` };
  },
});
