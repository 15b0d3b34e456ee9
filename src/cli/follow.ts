// Follows a task to its end: its log as it comes, and on a terminal a line that tells its progress.
import { settledStatuses, type TaskStatus } from '../tasks/states.js';
import type { LogLineView, TaskView } from '../tasks/task.js';
import type { taskStatus } from '../tools/index.js';
import type { Answer, Bridge } from './bridge.js';
import { wantsColour } from './environment.js';
import { nextStep } from './next-step.js';
import { note, say } from './output.js';
import { dim, statusText, styled, uncoloured, visibleLine } from './text.js';

const waitSeconds = 25;
const clearLine = '\r\x1b[2K';

export interface FollowOptions {
  /** Log lines after this id. */
  after?: number;
  /** How a line is told; default as text. */
  tell?: (line: LogLineView) => void;
  /** A task that awaits an acknowledgement is waited for too. */
  throughAck?: boolean;
}

/** Resolves with the task once it is settled, or awaits an acknowledgement, and its whole log was told. */
export async function follow(bridge: Bridge, taskId: string, options: FollowOptions = {}): Promise<TaskView> {
  const { tell = tellLine, throughAck = false } = options;
  const path = `/tasks/${encodeURIComponent(taskId)}/status`;
  const progress = createProgressLine();
  const goesOn = sayHowItGoesOn(taskId);
  let after = options.after ?? 0;
  let over = false;
  let toldWait: string | null = null;
  try {
    for (let looks = 0; ; looks++) {
      // At first it is told where it stands; and once it is over, what is left of its log is read without waiting.
      const { task, logs, waits_for }: Answer<typeof taskStatus> = await bridge.get<typeof taskStatus>(path, {
        after,
        wait_seconds: over || looks === 0 ? 0 : waitSeconds,
      });
      progress.clear();
      for (const line of logs) tell(line);
      if (waits_for !== null && waits_for !== toldWait) note(visibleLine(waits_for));
      toldWait = waits_for;
      after = logs.at(-1)?.id ?? after;
      if (over && logs.length === 0) return task;
      over = settledStatuses.includes(task.status) || (task.status === 'awaiting_ack' && !throughAck);
      if (!over) progress.tell(task);
    }
  } finally {
    progress.clear();
    goesOn.stop();
  }
}

const streamStyles = { stdout: 'reset', stderr: 'yellow', system: 'dim' } as const;

export function tellLine({ at, stream, text }: LogLineView): void {
  say(`${dim(at.slice(11, 19))} ${styled(streamStyles[stream], visibleLine(uncoloured(text)))}`);
}

/** What the task came to, in a line or two. */
export function tellEnd(task: TaskView): void {
  const reason = task.status_reason === null ? '' : `: ${visibleLine(task.status_reason)}`;
  say(`Task ${task.task_id} is ${statusText(task.status)}${reason}`);
  if (task.result !== null && task.result !== undefined) say(`Result: ${visibleLine(JSON.stringify(task.result))}`);
  const step = nextStep(task);
  if (step !== '') say(step);
}

/** What a task came to by a command, and what to type next. */
export function tellMoved(taskId: string, status: TaskStatus): void {
  say(`Task ${taskId} is ${statusText(status)}. ${nextStep({ task_id: taskId, status })}`.trimEnd());
}

function createProgressLine() {
  const shows = wantsColour(process.stderr);
  let shown = false;
  return {
    tell({ status, progress, progress_text }: TaskView): void {
      if (!shows) return;
      const share = progress === null ? '' : ` ${Math.round(progress)} %`;
      process.stderr.write(`${clearLine}${dim(`${status}${share} ${visibleLine(progress_text ?? '')}`.trimEnd())}`);
      shown = true;
    },
    clear(): void {
      if (shown) process.stderr.write(clearLine);
      shown = false;
    },
  };
}

const interrupted = 130;

/** Ctrl-C ends the looking, not the task. */
function sayHowItGoesOn(taskId: string): { stop(): void } {
  const leave = () => {
    note(`\nThe task goes on. \`doe logs ${taskId} -f\` follows it again, \`doe cancel ${taskId}\` stops it.`);
    process.exit(interrupted);
  };
  process.once('SIGINT', leave);
  return { stop: () => process.removeListener('SIGINT', leave) };
}
