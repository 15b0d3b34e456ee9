// Why a queued task has not started, where that can be told: nobody should have to guess before a task that stands still.
import { isoTime } from '../clock.js';
import type { TaskFilter } from '../queue/store.js';
import type { Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';

/** One sentence; null for a task that is not queued, or that nothing holds up. */
export async function waitsFor(
  { store, config, processes }: Pick<Dispatcher, 'store' | 'config' | 'processes'>,
  task: Task,
): Promise<string | null> {
  const { status, runId, runAfter, taskType, projectId, policy } = task;
  if (status !== 'queued' || runId !== null) return null;
  if (await store.tasks.paused()) return 'The home is paused: `doe resume` lets runs start again.';
  if (runAfter !== null && runAfter > (await store.now())) return `It does not start before ${isoTime(runAfter)}.`;
  if (!(await processes()).some(({ alive, worker }) => alive && worker !== 'off'))
    return 'No worker is there: `doe serve` or `doe worker` brings one.';
  const full = async (limit: number, of: Pick<TaskFilter, 'taskType' | 'projectId'>) =>
    limit > 0 && (await store.tasks.list({ status: 'running', ...of, limit })).tasks.length >= limit;
  if (await full(policy.concurrency, { taskType }))
    return `As many of ${taskType} run as its directive lets at once: ${policy.concurrency}.`;
  if (await full(config.projectConcurrency, { projectId }))
    return `As many of ${projectId} run as DOE_PROJECT_CONCURRENCY lets at once: ${config.projectConcurrency}.`;
  return null;
}
