// `doe status`: one task, its last log lines, and the next step.
import type { TaskView } from '../tasks/task.js';
import type { taskStatus } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { tellLine } from './follow.js';
import { type CommonOptions, settingsOf } from './home.js';
import { nextStep } from './next-step.js';
import { say, sayJson } from './output.js';
import { bold, dim, statusText, visibleLine } from './text.js';

const shownLines = 10;

export interface StatusOptions extends CommonOptions {
  wait?: number;
}

export async function run(taskId: string, { wait, ...options }: StatusOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const { task, logs, waits_for, next } = await bridge.get<typeof taskStatus>(
    `/tasks/${encodeURIComponent(taskId)}/status`,
    {
      wait_seconds: wait,
    },
  );
  if (options.json === true) return sayJson({ task, logs, waits_for, next });
  tellTask(task, waits_for);
  for (const line of logs.slice(-shownLines)) tellLine(line);
  const step = nextStep(task);
  if (step !== '') say(step);
}

function tellTask(task: TaskView, waitsFor: string | null): void {
  say(`${bold(task.task_id)}  ${statusText(task.status)}`);
  const progress = task.progress === null ? null : `${task.progress} % ${task.progress_text ?? ''}`;
  const facts: [string, unknown][] = [
    ['why', task.status_reason],
    ['waits', waitsFor],
    ['type', task.task_type],
    ['project', task.project_id],
    ['by', task.actor_id],
    ['payload', JSON.stringify(task.payload)],
    ['attempts', `${task.attempts} of ${task.max_attempts}`],
    ['assurance', task.assurance],
    ['progress', progress],
    ['outcome', task.outcome],
    ['result', task.result == null ? null : JSON.stringify(task.result)],
    ['bundle', task.aid],
    ['not before', task.run_after],
    ['created', task.created_at],
    ['finished', task.finished_at],
  ];
  for (const [name, value] of facts) {
    if (value !== null) say(`  ${dim(name.padEnd(10))} ${visibleLine(String(value))}`);
  }
}
