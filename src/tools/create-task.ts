// Opens a task: pins what an ack would cover, and waits for the ack. The same request again is the same task.
import { z } from 'zod';
import type { TaskDirective } from '../directives/index.js';
import type { EffectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import type { NewTask } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import { taskStatuses } from '../tasks/states.js';
import { actorIdSchema, newTaskId, projectIdSchema, type Task, taskIdSchema, taskTypeSchema } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { nextCall } from './next-call.js';
import { defineOperation } from './operation.js';
import { pinnedDirective } from './pinned-directive.js';
import { type PinnedTask, pinTask } from './pinning.js';
import { assertSameRequest, type CreateRequest } from './repeated-create.js';
import { byOf, directiveView, directiveViewSchema, payloadInput } from './views.js';

const maxDelayMs = 7 * 24 * 60 * 60_000;

const input = z.object({
  task_type: taskTypeSchema.describe('Which directive to follow, as list_directives names it'),
  project_id: projectIdSchema.describe('The project the work is for'),
  actor_id: actorIdSchema.describe('Your name, for the record'),
  task_id: taskIdSchema
    .optional()
    .describe('Chosen by you to make a repeated call the same task; made up where absent'),
  payload_json: payloadInput.optional().describe("The directive's input, as a JSON object or its text"),
  priority: z.int().min(-10).max(10).optional().describe('Higher runs first; default 0'),
  run_after: z.iso
    .datetime({ offset: true })
    .optional()
    .describe('Not before this ISO 8601 time, at most 7 days ahead'),
});

const output = z.object({
  task_id: z.string(),
  created: z.boolean().describe('false where this very request had made the task before'),
  status: z.enum(taskStatuses),
  binding: z.string(),
  directive: directiveViewSchema,
  approve_url: z.string(),
  next: z.string(),
});

export const createTask = defineOperation({
  name: 'create_task',
  title: 'Create a task',
  description:
    "Opens a task for a directive and answers the directive's text, which you must read. Use it once you know the task_type (list_directives). Nothing runs yet: call acknowledge next.",
  input,
  output,
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: true,
  async run(dispatcher, fields, call) {
    const request: CreateRequest = {
      taskType: fields.task_type,
      projectId: fields.project_id,
      payload: fields.payload_json as string | JsonObject | undefined,
      priority: fields.priority ?? 0,
      runAfter: parseRunAfter(fields.run_after, await dispatcher.store.now()),
    };
    // A look first: the task may outlive its directive, its script and the files that its payload names.
    const known = fields.task_id === undefined ? null : await dispatcher.store.tasks.get(fields.task_id);
    if (known !== null) return sameAgain(dispatcher, known, request);
    const pinned = await pinTask(dispatcher, request);
    const { pinned: now, policy, work } = pinned;
    const wanted: NewTask = {
      ...work,
      id: fields.task_id ?? newTaskId(fields.task_type),
      taskType: request.taskType,
      projectId: request.projectId,
      status: policy.requireAck ? 'awaiting_ack' : 'queued',
      statusReason: policy.withheld.length === 0 ? null : untrustedReason(pinned),
      priority: request.priority,
      runAfter: request.runAfter,
      traceparent: call.traceparent ?? null,
    };
    const { task, created } = await dispatcher.store.tasks.create(wanted, byOf(call, fields.actor_id));
    if (!created) return sameAgain(dispatcher, task, request);
    return { ...(await answer(dispatcher, task, { directive: now.directive, policy })), created };
  },
});

async function sameAgain(dispatcher: Dispatcher, task: Task, request: CreateRequest) {
  await assertSameRequest(dispatcher, task, request);
  return { ...(await answer(dispatcher, task, await pinnedDirective(dispatcher, task))), created: false };
}

const answer = async (
  dispatcher: Dispatcher,
  task: Task,
  { directive, policy }: { directive: TaskDirective; policy: EffectivePolicy },
) => ({
  task_id: task.id,
  status: task.status,
  binding: task.pins.binding,
  directive: directiveView(directive, policy),
  approve_url: await dispatcher.approveUrl(task.id),
  next: nextCall(task),
});

function parseRunAfter(text: string | undefined, now: number): number | null {
  if (text === undefined) return null;
  const at = Date.parse(text);
  if (at <= now + maxDelayMs) return at;
  throw new DispatcherError('invalid_input', `run_after is ${text}, which is more than 7 days ahead.`, {
    hint: 'Give a time within the next 7 days.',
  });
}

/** What a new task says of itself where its directive asks for more than it is trusted with. */
export const untrustedReason = ({ policy, pinned }: Pick<PinnedTask, 'policy' | 'pinned'>): string =>
  `The directive asks for ${policy.withheld.join('; ')}, which takes effect only once an operator has trusted this content: doe trust ${pinned.directive.id}`;
