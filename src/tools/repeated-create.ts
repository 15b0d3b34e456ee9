// A create that finds its task there already: the same request gets the same task, whatever became of the disk since.
import { type CanonicalPayload, canonicalPayload } from '../directives/payload.js';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';

export interface CreateRequest {
  taskType: string;
  projectId: string;
  payload: string | JsonObject | undefined;
  priority: number;
  runAfter: number | null;
}

/** @throws DispatcherError `task_exists` naming what differs; what `canonicalPayload` throws */
export async function assertSameRequest(dispatcher: Dispatcher, task: Task, wanted: CreateRequest): Promise<void> {
  const payload = canonicalPayload(wanted.payload);
  const differs = (
    [
      ['task_type', task.taskType !== wanted.taskType],
      ['project_id', task.projectId !== wanted.projectId],
      ['payload_json', !(await hadPayload(dispatcher, task, payload))],
      ['priority', task.priority !== wanted.priority],
      ['run_after', task.requestedRunAfter !== wanted.runAfter],
    ] as const
  )
    .filter(([, different]) => different)
    .map(([name]) => name);
  if (differs.length === 0) return;
  throw new DispatcherError('task_exists', `Task ${task.id} exists with another ${differs.join(', ')}.`, {
    hint: 'Choose another task_id, or leave it out to get a new one.',
    details: { differs },
  });
}

/** A repair may have corrected the payload: who asks again with the one that was first sent means this task too. */
async function hadPayload({ store }: Dispatcher, task: Task, { payloadSha256 }: CanonicalPayload): Promise<boolean> {
  if (task.pins.payloadSha256 === payloadSha256) return true;
  const failure = await store.ledger.lastFailure(task.id);
  if (failure === null) return false;
  const runs = await store.tasks.runs(task.id);
  return [failure.pins, ...runs].some((earlier) => earlier.payloadSha256 === payloadSha256);
}
