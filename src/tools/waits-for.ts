// Why a queued task has not started, where that can be told: nobody should have to guess before a task that stands still.
import { isoTime } from '../clock.js';
import type { Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';

/** One sentence; null for a task that is not queued, or that nothing holds up. */
export async function waitsFor({ store }: Pick<Dispatcher, 'store'>, task: Task): Promise<string | null> {
  const { status, runId, runAfter, taskType, policy } = task;
  if (status !== 'queued' || runId !== null) return null;
  if (await store.tasks.paused()) return 'The home is paused: `doe resume` lets runs start again.';
  if (runAfter !== null && runAfter > (await store.now())) return `It does not start before ${isoTime(runAfter)}.`;
  if (!(await store.ledger.processes()).some(({ worker }) => worker !== 'off'))
    return 'No worker is there: `doe serve` or `doe worker` brings one.';
  if (policy.concurrency === 0) return null;
  const { tasks } = await store.tasks.list({ status: 'running', taskType, limit: policy.concurrency });
  return tasks.length < policy.concurrency
    ? null
    : `As many of ${taskType} run as its directive lets at once: ${policy.concurrency}.`;
}
