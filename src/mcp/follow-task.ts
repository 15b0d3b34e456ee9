// task_status for a model: a wait ends when the task's status changes, not at every log line, and a client that
// sent a progress token sees the run move meanwhile.
import type { ServerContext } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import type { Dispatcher } from '../tools/dispatcher.js';
import { taskStatus } from '../tools/index.js';
import { type CallContext, invoke } from '../tools/operation.js';
import type { ToolCall } from './connection.js';
import { plainText } from './untrusted.js';

type Answer = z.input<typeof taskStatus.output>;

export async function followTask(dispatcher: Dispatcher, input: object, line: ToolCall): Promise<object> {
  const { context } = line;
  const call = untilEnded(line);
  const { wait_seconds = 0, ...rest } = input as { wait_seconds?: unknown };
  if (typeof wait_seconds !== 'number' || wait_seconds <= 0 || wait_seconds > 45)
    return invoke(dispatcher, taskStatus, input, call);
  const end = dispatcher.clock.monotonic() + wait_seconds * 1000;
  const report = progressReport(context, dispatcher.redact);
  const first = await invoke(dispatcher, taskStatus, rest, call);
  await report(first);
  let seen: Answer = first;
  let newest = lastLine(first);
  const settled = (answer: Answer) => answer.task.status !== first.task.status || answer.task.finished_at !== null;
  while (!settled(seen) && !call.signal?.aborted) {
    const left = (end - dispatcher.clock.monotonic()) / 1000;
    if (left <= 0) break;
    // After the newest line that is known, so that the wait ends at news and not at what was said already.
    const after = newest === undefined ? {} : { after: newest };
    seen = await invoke(dispatcher, taskStatus, { ...rest, ...after, wait_seconds: Math.min(left, 45) }, call);
    newest = lastLine(seen) ?? newest;
    await report(seen);
  }
  return seen === first ? first : invoke(dispatcher, taskStatus, rest, call);
}

/** The call, over as well once nobody will read on. */
const untilEnded = ({ call, connection: { ended } }: ToolCall): CallContext =>
  ended === undefined ? call : { ...call, signal: AbortSignal.any([ended, ...(call.signal ? [call.signal] : [])]) };

const lastLine = ({ logs }: Answer): number | undefined => logs.at(-1)?.id;

/** Sends notifications/progress, always growing as the protocol wants it, with the run's own words. */
function progressReport({ mcpReq }: ServerContext, redact: Dispatcher['redact']): (answer: Answer) => Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  let sent = -1;
  let said = '';
  return async ({ task, logs }) => {
    if (progressToken === undefined) return;
    const line = logs.filter(({ stream }) => stream !== 'system').at(-1)?.text ?? '';
    const message = redact(plainText(`${task.status}: ${task.progress_text ?? line}`)).slice(0, 200);
    const progress = Math.max(task.progress ?? 0, sent + 0.01);
    if (message === said && (task.progress ?? 0) <= sent) return;
    said = message;
    sent = progress;
    await mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100, message } });
  };
}
