// What an acknowledgement of a task would cover now, whole: for a person who decides at a terminal.
import { z } from 'zod';
import { scriptChanges } from '../anneal/script-changes.js';
import type { Pinned } from '../directives/index.js';
import { DispatcherError } from '../errors.js';
import type { FailureRow } from '../queue/store.js';
import { type Task, taskIdSchema, taskView, taskViewSchema, visiblePayload } from '../tasks/task.js';
import { unifiedDiff } from '../unified-diff.js';
import type { Dispatcher } from './dispatcher.js';
import { defineOperation } from './operation.js';
import { checkPins, textsWith, wouldPin } from './pinning.js';
import { directiveView, directiveViewSchema, requireTask } from './views.js';

const scriptSchema = z.object({ name: z.string(), text: z.string() });

export const reviewTask = defineOperation({
  name: 'review_task',
  title: 'Review a task before its acknowledgement',
  description:
    'The directive, the script and the binding that an acknowledgement would cover now, and whether they are still those that the task was pinned to.',
  input: z.object({ task_id: taskIdSchema }),
  output: z.object({
    task: taskViewSchema,
    binding: z.string().describe('Of what is shown here; send it with the acknowledgement'),
    changed: z.string().nullable().describe('What no longer is as the task was pinned; null where all is'),
    directive: directiveViewSchema,
    withheld: z.array(z.string()).describe('What the directive asks for and gets only once an operator trusts it'),
    script: scriptSchema.extend({ sha256: z.string() }),
    fix_script: scriptSchema.nullable(),
    secrets: z.array(z.string()).describe('Settings that the script is given'),
    integrations: z.array(z.string()).describe('Integrations that the script may call'),
    compared_with: z
      .enum(['failed_run', 'last_success'])
      .nullable()
      .describe('What the diff is against, if anything ran'),
    diff: z
      .string()
      .describe(
        'Unified diff of directive, script, what the script can load, and since a failed run the payload; empty where nothing differs',
      ),
    approve_url: z.string(),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: false,
  async run(dispatcher, { task_id }) {
    const task = await requireTask(dispatcher, task_id);
    const check = await checkPins(dispatcher, task, wouldPin);
    const { pinned, policy } = check.ok ? check : await pinAnyway(dispatcher, task, check.message);
    return {
      task: taskView(task),
      binding: pinned.pins.binding,
      changed: check.ok ? null : check.message,
      directive: directiveView(pinned.directive, policy),
      withheld: policy.withheld,
      script: { name: pinned.script.name, text: pinned.script.text, sha256: pinned.pins.scriptSha256 },
      fix_script: pinned.fixScript === null ? null : { name: pinned.fixScript.name, text: pinned.fixScript.text },
      secrets: policy.secrets,
      integrations: policy.integrations,
      ...(await changesSince(dispatcher, task, pinned)),
      approve_url: await dispatcher.approveUrl(task_id),
    };
  },
});

/** What is new to whoever saw the last run: of this very task where it failed, else of the directive where it succeeded. */
export async function changesSince(dispatcher: Dispatcher, task: Task, pinned: Pinned) {
  const { store } = dispatcher;
  const { directive, script, pins } = pinned;
  const failure = await store.ledger.lastFailure(task.id);
  const before = failure?.pins ?? (await store.tasks.lastSuccess(pins.directiveId))?.run ?? null;
  if (before === null) return { compared_with: null, diff: '' };
  const name = `execution/${script.name}`;
  const inScript = await scriptChanges(textsWith(dispatcher, pinned), {
    name,
    before: before.scriptSha256,
    after: pins.scriptSha256,
  });
  const parts = [
    await directivePatch(store, directive, before.directiveSha256),
    inScript.diff ?? `${name} or what it loads differs\n`,
    failure === null ? '' : await payloadPatch(store, failure, task),
  ];
  return { compared_with: failure === null ? 'last_success' : 'failed_run', diff: parts.join('') } as const;
}

/** Only against the task's own failed run: of other tasks the payload is another anyway. */
async function payloadPatch({ ledger }: Dispatcher['store'], { id, pins }: FailureRow, task: Task): Promise<string> {
  const files = pins.filesSha256 === task.pins.filesSha256 ? '' : 'a file that the payload names differs\n';
  if (pins.payloadSha256 === task.pins.payloadSha256) return files;
  const before = await ledger.failedPayload(id);
  if (before === null) return `payload.json differs\n${files}`;
  const [old, now] = [before, visiblePayload(task)].map((value) => `${JSON.stringify(value, null, 2)}\n`);
  if (old === now) return `payload.json differs in a secret value\n${files}`;
  return (await unifiedDiff('payload.json', { before: old ?? '', after: now ?? '' })) + files;
}

async function directivePatch(
  { ledger }: Dispatcher['store'],
  { file, sha256, content }: Pinned['directive'],
  before: string,
): Promise<string> {
  if (before === sha256) return '';
  const old = await ledger.content(before);
  return old === null ? `${file} differs\n` : unifiedDiff(file, { before: old, after: content });
}

/** What is there now, although the task was pinned to something else. */
async function pinAnyway(dispatcher: Dispatcher, task: Task, why: string) {
  const { taskType, projectId, payloadJson } = task;
  try {
    return await wouldPin(dispatcher, { taskType, projectId, payload: payloadJson });
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    throw new DispatcherError(error.code, `Task ${task.id} cannot be acknowledged as things are: ${why}`, {
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}
