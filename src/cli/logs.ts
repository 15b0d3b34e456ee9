// `doe logs`: a task's whole log, and with -f what comes after.
import { settledStatuses } from '../tasks/states.js';
import type { LogLineView } from '../tasks/task.js';
import type { taskLogs, taskStatus } from '../tools/index.js';
import { type Answer, type Bridge, connectBridge } from './bridge.js';
import { follow, tellEnd, tellLine } from './follow.js';
import { type CommonOptions, settingsOf } from './home.js';
import { nextStep } from './next-step.js';
import { note, sayJson, sayJsonLine } from './output.js';

export interface LogsOptions extends CommonOptions {
  follow?: boolean;
}

export async function run(taskId: string, options: LogsOptions): Promise<number> {
  const bridge = await connectBridge(await settingsOf(options));
  if (options.follow !== true) {
    const logs = await wholeLog(bridge, taskId);
    if (options.json === true) sayJson({ logs, next_cursor: null });
    else logs.forEach(tellLine);
    return 0;
  }
  const { task: before } = await bridge.get<typeof taskStatus>(`/tasks/${encodeURIComponent(taskId)}/status`);
  if (before.status === 'awaiting_ack') note(nextStep(before));
  const task = await follow(bridge, taskId, {
    throughAck: true,
    ...(options.json === true ? { tell: (line: LogLineView) => sayJsonLine(line) } : {}),
  });
  if (options.json !== true) tellEnd(task);
  // To look at a task that failed long ago is done with 0; one that fails while it is followed is a failure.
  return task.status === 'succeeded' || settledStatuses.includes(before.status) ? 0 : 1;
}

const pageLines = 1000;

async function wholeLog(bridge: Bridge, taskId: string): Promise<LogLineView[]> {
  const all: LogLineView[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const page: Answer<typeof taskLogs> = await bridge.get<typeof taskLogs>(
      `/tasks/${encodeURIComponent(taskId)}/logs`,
      { after, limit: pageLines },
    );
    all.push(...page.logs);
    after = page.next_after;
  }
  return all;
}
