// Where a task stands, with its latest log lines; can wait for the next change instead of being asked again and again.
import { z } from 'zod';
import { settledStatuses } from '../tasks/states.js';
import type { LogLine } from '../tasks/task.js';
import { logLineSchema, logLineView, type Task, taskIdSchema, taskView, taskViewSchema } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { nextCall } from './next-call.js';
import { type CallContext, defineOperation } from './operation.js';
import { openBundle, requireTask } from './views.js';
import { waitsFor } from './waits-for.js';

const shownLines = 200;

const input = z.object({
  task_id: taskIdSchema,
  wait_seconds: z
    .number()
    .min(0)
    .max(45)
    .optional()
    .describe('Answer at the next change, at most so many seconds from now'),
  after: z.int().min(0).optional().describe('Only log lines after this log id'),
});

const output = z.object({
  task: taskViewSchema,
  logs: z.array(logLineSchema),
  waits_for: z.string().nullable().describe('Why a queued task has not started, where that can be told'),
  next: z.string(),
});

export const taskStatus = defineOperation({
  name: 'task_status',
  title: 'Look at a task',
  description:
    'A task and its latest log lines. Use it after acknowledge, with wait_seconds (up to 45) rather than calling again and again, until the task has ended; its next says what to call then. With after you read on from a log line.',
  input,
  output,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: true,
  async run(dispatcher, { task_id, wait_seconds, after }, call) {
    const { task, logs } = await nextChange(dispatcher, task_id, {
      waitMs: Math.ceil((wait_seconds ?? 0) * 1000),
      after,
      call,
    });
    // Whoever is told of a repair finds its bundle on disk, also in the moment between commit and writing.
    if (task.status === 'needs_anneal' && task.aid !== null) await openBundle(dispatcher, task.aid);
    return {
      task: taskView(task),
      logs: logs.map(logLineView),
      waits_for: await waitsFor(dispatcher, task),
      next: nextCall(task),
    };
  },
});

interface Seen {
  task: Task;
  logs: LogLine[];
}

async function look(dispatcher: Dispatcher, taskId: string, after: number | undefined): Promise<Seen> {
  const task = await requireTask(dispatcher, taskId);
  const { logs } = dispatcher.store;
  return {
    task,
    logs:
      after === undefined ? await logs.tail(taskId, shownLines) : await logs.read(taskId, { after, limit: shownLines }),
  };
}

const mark = ({ task, logs }: Seen): string =>
  JSON.stringify([task.status, task.updatedAt, task.progress, task.progressText, logs.at(-1)?.id]);

async function nextChange(
  dispatcher: Dispatcher,
  taskId: string,
  { waitMs, after, call }: { waitMs: number; after: number | undefined; call: CallContext },
): Promise<Seen> {
  if (waitMs === 0) return look(dispatcher, taskId, after);
  let announce = () => {};
  const nextNews = () => new Promise<void>((resolve) => (announce = resolve));
  // Watching begins before the first look: a change in between is not missed.
  let news = nextNews();
  const stop = dispatcher.store.watch(() => announce());
  const ends = [AbortSignal.timeout(Math.ceil(waitMs)), call.signal, call.closing];
  const over = AbortSignal.any(ends.filter((end) => end !== undefined));
  const ended = new Promise<void>((resolve) => {
    if (over.aborted) resolve();
    over.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    const first = await look(dispatcher, taskId, after);
    if (settledStatuses.includes(first.task.status) || (after !== undefined && first.logs.length > 0)) return first;
    for (;;) {
      await Promise.race([news, ended]);
      news = nextNews();
      const seen = await look(dispatcher, taskId, after);
      if (over.aborted || mark(seen) !== mark(first)) return seen;
    }
  } finally {
    stop();
  }
}
