// The way back from repair: only with something changed, and only to a fresh acknowledgement.
import { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { FailureRow } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import { taskStatuses } from '../tasks/states.js';
import { actorIdSchema, type Pins, taskIdSchema } from '../tasks/task.js';
import { nextCall } from './next-call.js';
import { defineOperation } from './operation.js';
import { pinTask } from './pinning.js';
import { byOf, payloadInput, requireTask, wrongState } from './views.js';

const input = z.object({
  task_id: taskIdSchema,
  actor_id: actorIdSchema.optional(),
  note: z
    .string()
    .min(1)
    .max(4000)
    .optional()
    .describe('What was mended, or why a run without a change should succeed'),
  payload_json: payloadInput.optional().describe('A corrected payload; the old one where absent'),
});

const output = z.object({
  task_id: z.string(),
  status: z.enum(taskStatuses),
  binding: z.string(),
  approve_url: z.string(),
  next: z.string(),
});

export const annealComplete = defineOperation({
  name: 'anneal_complete',
  title: 'Complete a repair',
  description:
    'Sends a task in needs_anneal round again after its directive, script or payload was repaired. Its old acknowledgement does not cover the repair, so call acknowledge next.',
  input,
  output,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tool: true,
  async run(dispatcher, fields, call) {
    const task = await requireTask(dispatcher, fields.task_id);
    if (task.status !== 'needs_anneal') throw wrongState(task, 'completing a repair', ['needs_anneal']);
    const payload = (fields.payload_json ?? task.payloadJson) as string | JsonObject;
    const { work, policy } = await pinTask(dispatcher, { taskType: task.taskType, projectId: task.projectId, payload });
    // A blank one says nothing.
    const note = fields.note?.trim() || undefined;
    const failure = await dispatcher.store.ledger.lastFailure(task.id);
    if (note === undefined && failure !== null) assertChanged(failure, work.pins);
    const wantsAck = task.policy.requireAck || policy.requireAck;
    const next = await dispatcher.store.tasks.repin(
      {
        taskId: task.id,
        move: 'anneal_completed',
        to: wantsAck ? 'awaiting_ack' : 'queued',
        work,
        reason: wantsAck ? 'Repaired; a changed script needs a fresh acknowledgement.' : null,
        runId: null,
        ...(note === undefined ? {} : { note: dispatcher.redact(note) }),
      },
      byOf(call, fields.actor_id),
    );
    if (next === null)
      throw wrongState(await requireTask(dispatcher, task.id), 'completing a repair', ['needs_anneal']);
    return {
      task_id: task.id,
      status: next.status,
      binding: next.pins.binding,
      approve_url: await dispatcher.approveUrl(task.id),
      next: nextCall(next),
    };
  },
});

/** After an interrupted run nothing need have changed: the machine failed, not the work. */
function assertChanged({ outcome, pins }: FailureRow, now: Pins): void {
  if (outcome === 'interrupted') return;
  const parts = ['directiveSha256', 'scriptSha256', 'payloadSha256', 'filesSha256'] as const;
  if (parts.some((part) => pins[part] !== now[part])) return;
  throw new DispatcherError(
    'nothing_changed',
    'Neither the directive, nor the script, nor the payload differs from the failed run.',
    {
      hint: 'Mend one of them, or give a note that says why the same run should succeed now.',
    },
  );
}
