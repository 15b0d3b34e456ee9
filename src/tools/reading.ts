// Looking without changing: directives, tasks, logs.
import { z } from 'zod';
import { effectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import { taskStatuses } from '../tasks/states.js';
import {
  assurances,
  logLineSchema,
  logLineView,
  projectIdSchema,
  taskIdSchema,
  taskTypeSchema,
  taskView,
  taskViewSchema,
} from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { defineOperation } from './operation.js';
import { directiveSummary, directiveSummarySchema, requireTask, textFrom } from './views.js';

const readOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const;
const pageLimit = z.int().min(1).max(200).optional().describe('At most so many; default 50');
const cursor = z.string().max(512).optional().describe('next_cursor of the page before');

export const listDirectives = defineOperation({
  name: 'list_directives',
  title: 'List directives',
  description:
    'The written procedures of this home with their task types. Use it first, to find which directive fits the job; broken ones say what is wrong with them. Next: read_directive or create_task.',
  input: z.object({ limit: z.int().min(1).max(200).optional().describe('At most so many; default all'), cursor }),
  output: z.object({ directives: z.array(directiveSummarySchema), next_cursor: z.string().nullable() }),
  annotations: readOnly,
  tool: true,
  async run({ directives }, { limit, cursor: from }) {
    const all = (await directives.list()).map(directiveSummary);
    const start = from === undefined ? 0 : all.findIndex(({ file }) => file === from) + 1;
    if (from !== undefined && start === 0)
      throw new DispatcherError('invalid_input', 'The cursor names no directive that is there now.', {
        hint: 'Call list_directives again without it.',
      });
    const end = limit === undefined ? all.length : start + limit;
    return {
      directives: all.slice(start, end),
      next_cursor: end < all.length ? (all[end - 1]?.file ?? null) : null,
    };
  },
});

export const readDirective = defineOperation({
  name: 'read_directive',
  title: 'Read a directive',
  description:
    'The text of a directive, its payload schema and what it needs. Use it before create_task when you must know the payload, and with offset for the rest of a long text. Next: create_task.',
  input: z.object({
    id: z.string().min(1).max(128),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be a lower-case sha256')
      .optional()
      .describe('One revision; the present one where absent'),
    offset: z.int().min(0).optional().describe('Only content from this character on'),
  }),
  output: directiveSummarySchema.extend({
    content: z.string(),
    payload_schema: z.record(z.string(), z.unknown()).nullable(),
    require_ack: z.boolean().nullable(),
    ack: z.enum(assurances).nullable(),
    trusted: z.boolean().nullable(),
    withheld: z.array(z.string()).describe('What it asks for and gets only once an operator trusts it'),
    questions: z.array(z.string()),
  }),
  annotations: readOnly,
  tool: true,
  async run(dispatcher, { id, sha256, offset }) {
    const directive = await dispatcher.directives.byId(id);
    if (directive === null) throw noDirective(id);
    const present = { ...directiveSummary(directive), content: textFrom(directive.content, offset) };
    if (sha256 !== undefined && sha256 !== directive.sha256) {
      const content = await revisionText(dispatcher, id, sha256);
      if (content === null) throw noDirective(`${id} of revision ${sha256}`);
      return { ...present, sha256, content: textFrom(content, offset), ...nothingInForce };
    }
    if (directive.kind !== 'task') return { ...present, ...nothingInForce };
    const policy = effectivePolicy(
      directive.frontMatter,
      await trustedNow(dispatcher, directive),
      dispatcher.config.minAck,
    );
    return {
      ...present,
      payload_schema: directive.frontMatter.payload,
      require_ack: policy.requireAck,
      ack: policy.ack,
      trusted: policy.trusted,
      withheld: policy.withheld,
      questions: directive.frontMatter.questions,
    };
  },
});

/** Null for a text that was never a revision of this very directive: others are kept beside them, such as scripts. */
async function revisionText({ store }: Dispatcher, id: string, sha256: string): Promise<string | null> {
  const revisions = await store.ledger.revisions(id);
  return revisions.some((revision) => revision.sha256 === sha256) ? store.ledger.content(sha256) : null;
}

const nothingInForce = {
  payload_schema: null,
  require_ack: null,
  ack: null,
  trusted: null,
  withheld: [],
  questions: [],
};

async function trustedNow(
  { directives, store }: Dispatcher,
  directive: Parameters<Dispatcher['directives']['scriptDigest']>[0],
): Promise<boolean> {
  try {
    const { sha256: scriptSha256 } = await directives.scriptDigest(directive);
    return await store.people.isTrusted({
      kind: 'directive',
      id: directive.id,
      sha256: directive.sha256,
      scriptSha256,
    });
  } catch (error) {
    if (error instanceof DispatcherError) return false;
    throw error;
  }
}

const noDirective = (id: string): DispatcherError =>
  new DispatcherError('directive_not_found', `There is no directive ${id}.`, {
    hint: 'List them with list_directives (`doe directives`).',
  });

export const listTasks = defineOperation({
  name: 'list_tasks',
  title: 'List tasks',
  description:
    'Tasks, newest first, filtered by status, project or task type. Use it to find a task whose id you do not know. Next: task_status.',
  input: z.object({
    status: z.enum(taskStatuses).optional(),
    project_id: projectIdSchema.optional(),
    task_type: taskTypeSchema.optional(),
    limit: pageLimit,
    cursor,
  }),
  output: z.object({ tasks: z.array(taskViewSchema), next_cursor: z.string().nullable() }),
  annotations: readOnly,
  tool: true,
  async run({ store }, { status, project_id, task_type, limit, cursor: from }) {
    const page = await store.tasks.list({
      status,
      projectId: project_id,
      taskType: task_type,
      limit: limit ?? 50,
      cursor: from,
    });
    return { tasks: page.tasks.map(taskView), next_cursor: page.nextCursor };
  },
});

export const taskLogs = defineOperation({
  name: 'task_logs',
  title: "Read a task's log",
  description: 'Log lines of a task, oldest first.',
  input: z.object({
    task_id: taskIdSchema,
    after: z.int().min(0).optional(),
    run_id: z.string().max(64).optional(),
    limit: z.int().min(1).max(1000).optional(),
  }),
  output: z.object({ logs: z.array(logLineSchema), next_after: z.number().int().nullable() }),
  annotations: readOnly,
  tool: false,
  async run(dispatcher, { task_id, after, run_id, limit = 500 }) {
    await requireTask(dispatcher, task_id);
    const logs = await dispatcher.store.logs.read(task_id, { after, limit, runId: run_id });
    return { logs: logs.map(logLineView), next_after: logs.length === limit ? (logs.at(-1)?.id ?? null) : null };
  },
});
