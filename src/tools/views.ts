// Shapes and look-ups that several operations share.
import { z } from 'zod';
import type { Directive, TaskDirective } from '../directives/index.js';
import type { EffectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import { assurances, type By, type Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import type { CallContext } from './operation.js';

/** @throws DispatcherError `task_not_found` */
export async function requireTask({ store }: Dispatcher, taskId: string): Promise<Task> {
  const task = await store.tasks.get(taskId);
  if (task !== null) return task;
  throw new DispatcherError('task_not_found', `There is no task ${taskId}.`, {
    hint: 'List the tasks with list_tasks (GET /tasks, `doe tasks`), or create it.',
  });
}

/** The audit trail's view of a call; without a name of its own the caller stands under its key's. */
export const byOf = ({ caller }: CallContext, actorId?: string): By => ({
  actorId: actorId ?? caller.person ?? caller.principal,
  principal: caller.principal,
  channel: caller.channel,
  keyId: caller.keyId,
  person: caller.person,
});

/** What a model may never do in a person's stead: refuse, trust, acknowledge as an operator. */
export const isOperator = ({ caller }: CallContext): boolean =>
  caller.principal === 'operator' && caller.channel !== 'mcp' && caller.channel !== 'stdio';

/** @throws DispatcherError `not_allowed` */
export function requireOperator(call: CallContext, what: string): void {
  if (isOperator(call)) return;
  throw new DispatcherError(
    'not_allowed',
    `${what} is a person's to do: it needs an operator key at a terminal, over HTTP or on the page.`,
    {
      hint: 'Ask the person. Models and agent keys cannot do this.',
    },
  );
}

/** A move that found the task elsewhere. */
export const wrongState = (task: Task, what: string, allowed: readonly string[]): DispatcherError =>
  new DispatcherError('wrong_state', `Task ${task.id} is ${task.status}; ${what} needs ${allowed.join(' or ')}.`, {
    hint:
      task.statusReason === null
        ? `Look at it with task_status (\`doe status ${task.id}\`).`
        : `Its state has this reason: ${task.statusReason}`,
    details: { status: task.status, allowed },
  });

export const retrySchema = z.object({
  count: z.number().int(),
  backoff_ms: z.number().int(),
  on_interrupt: z.boolean(),
});

export const directiveViewSchema = z.object({
  id: z.string(),
  task_type: z.string(),
  version: z.number(),
  sha256: z.string(),
  content: z.string(),
  require_ack: z.boolean(),
  ack: z.enum(assurances),
  trusted: z.boolean(),
  questions: z.array(z.string()),
  auto_anneal: z.boolean(),
  retry: retrySchema,
});

/** A directive as `create_task` answers it, with the policy that is in force. */
export const directiveView = (
  { frontMatter, sha256, content }: TaskDirective,
  policy: EffectivePolicy,
): z.infer<typeof directiveViewSchema> => ({
  id: frontMatter.id,
  task_type: frontMatter.taskType,
  version: frontMatter.version,
  sha256,
  content,
  require_ack: policy.requireAck,
  ack: policy.ack,
  trusted: policy.trusted,
  questions: frontMatter.questions,
  auto_anneal: frontMatter.autoAnneal,
  retry: {
    count: frontMatter.retry.count,
    backoff_ms: frontMatter.retry.backoffMs,
    on_interrupt: frontMatter.retry.onInterrupt,
  },
});

export const directiveSummarySchema = z.object({
  id: z.string(),
  kind: z.enum(['task', 'reference', 'broken']),
  title: z.string(),
  file: z.string(),
  sha256: z.string(),
  task_type: z.string().nullable(),
  project_id: z.string().nullable(),
  version: z.number().nullable(),
  error: z.string().nullable(),
});

export const directiveSummary = (directive: Directive): z.infer<typeof directiveSummarySchema> => ({
  id: directive.id,
  kind: directive.kind,
  title: directive.title,
  file: directive.file,
  sha256: directive.sha256,
  task_type: directive.kind === 'task' ? directive.frontMatter.taskType : null,
  project_id: directive.kind === 'task' ? directive.frontMatter.projectId : null,
  version: directive.kind === 'task' ? directive.frontMatter.version : null,
  error: directive.kind === 'broken' ? directive.error : null,
});

/**
 * The text from a character (UTF-16 code unit) on, never from between the halves of one.
 * @throws DispatcherError `invalid_input` beyond its end
 */
export function textFrom(text: string, offset = 0): string {
  if (offset > text.length)
    throw new DispatcherError('invalid_input', `offset is ${offset}, and content has ${text.length} characters.`, {
      hint: 'Read from the beginning, without offset.',
    });
  const halved = /^[\ud800-\udbff][\udc00-\udfff]/.test(text.slice(Math.max(0, offset - 1), offset + 1));
  return text.slice(offset > 0 && halved ? offset - 1 : offset);
}

/** `payload_json` as callers may give it. */
export const payloadInput = z.union([z.string(), z.record(z.string(), z.unknown())]);

/** The row is what counts: a bundle that the disk refuses now is opened by the next sweep. */
export async function openBundle({ annealer, log }: Dispatcher, aid: string): Promise<void> {
  try {
    await annealer.open(aid);
  } catch (error) {
    log.warn('anneal.bundle_delayed', { aid, error: error instanceof DispatcherError ? error.message : error });
  }
}
