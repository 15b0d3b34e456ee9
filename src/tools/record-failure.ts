// A failure that was seen outside a run: the task goes to repair as if its run had failed.
import { z } from 'zod';
import { describeFailure } from '../anneal/classify.js';
import type { NewLogLine } from '../queue/store.js';
import { createRedactor, type Redact } from '../redact.js';
import { classificationSchema } from '../tasks/outcome.js';
import { movesFrom, taskStatuses } from '../tasks/states.js';
import {
  actorIdSchema,
  errorTypeSchema,
  newAnnealId,
  secretPayloadValues,
  type Task,
  taskIdSchema,
} from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { nextCall } from './next-call.js';
import { defineOperation } from './operation.js';
import { byOf, openBundle, requireTask, wrongState } from './views.js';

const keptCharacters = 64 * 1024;
const text = z.string().describe(`What it said; its last ${keptCharacters} characters are kept`);

const input = z.object({
  task_id: taskIdSchema,
  error_type: errorTypeSchema.describe('A short name, such as http_502'),
  classification: classificationSchema.describe(
    'transient and infrastructure may pass by themselves; script needs a repair',
  ),
  stdout: text.optional(),
  stderr: text.optional(),
  attempts: z.int().min(0).max(1000).optional().describe('How often it was tried where it failed'),
  actor_id: actorIdSchema.optional(),
});

const output = z.object({ aid: z.string(), task_id: z.string(), status: z.enum(taskStatuses), next: z.string() });

export const recordFailure = defineOperation({
  name: 'record_failure',
  title: 'Record a failure',
  description:
    'Records a failure that you saw outside a run (a deployed site is down, a result is wrong) and opens its repair bundle. Not for a running task: its own run settles it. Next: read the bundle, repair, anneal_complete.',
  input,
  output,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  tool: true,
  async run(dispatcher, fields, call) {
    const task = await requireTask(dispatcher, fields.task_id);
    const sources = movesFrom('failure_recorded');
    if (!sources.includes(task.status)) throw wrongState(task, 'recording a failure', sources);
    const aid = newAnnealId(task.id, dispatcher.clock.now());
    const redact = redactorFor(dispatcher, task);
    const errorTail = endOf(redact(fields.stderr ?? fields.stdout ?? ''), 4096);
    const errorType = dispatcher.redact(fields.error_type);
    const failure = describeFailure({
      errorType,
      classification: fields.classification,
      message: `${errorType}, recorded from outside${fields.attempts === undefined ? '' : ` after ${fields.attempts} attempts`}`,
      errorTail,
    });
    const by = byOf(call, fields.actor_id);
    const failed = await dispatcher.store.tasks.recordFailure(
      task.id,
      aid,
      { ...failure, attempts: fields.attempts },
      by,
    );
    if (failed === null) throw wrongState(await requireTask(dispatcher, task.id), 'recording a failure', sources);
    await keepOutput(dispatcher, task, { ...fields, redact });
    await openBundle(dispatcher, aid);
    return { aid, task_id: task.id, status: failed.status, next: nextCall(failed) };
  },
});

/** Whoever saw the failure may have seen the task's secrets with it. */
function redactorFor({ redact }: Dispatcher, task: Task): Redact {
  const hide = createRedactor(secretPayloadValues(task));
  return (output) => hide(redact(output));
}

/** Beginning on a whole character. */
const endOf = (text: string, length: number): string => text.slice(-length).replace(/^[\uDC00-\uDFFF]/, '');

async function keepOutput(
  { store, clock }: Dispatcher,
  task: Task,
  { redact, ...fields }: { redact: Redact; stdout?: string | undefined; stderr?: string | undefined },
) {
  const line = (stream: NewLogLine['stream'], said: string): NewLogLine => ({
    taskId: task.id,
    runId: null,
    stream,
    text: said,
    at: clock.now(),
  });
  const lines = (['stdout', 'stderr'] as const).flatMap((stream) => {
    // Redacted whole: a secret that the cut goes through would not be known any more.
    const said = redact(fields[stream] ?? '');
    const kept = endOf(said, keptCharacters);
    const cut = said.length - kept.length;
    return [
      ...(cut === 0 ? [] : [line('system', `The first ${cut} characters of ${stream} were cut off.`)]),
      ...kept
        .split('\n')
        .filter((one) => one !== '')
        .map((one) => line(stream, one)),
    ];
  });
  if (lines.length > 0) await store.logs.append(lines);
}
