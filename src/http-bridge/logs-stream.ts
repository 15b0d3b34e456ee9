// A task's log as server-sent events (WHATWG HTML, "Server-sent events"): `log`, `progress`, `status`, `end`.
import type { Context } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import type { JsonObject } from '../tasks/outcome.js';
import { settledStatuses } from '../tasks/states.js';
import { logLineView, taskView } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { taskLogs } from '../tools/index.js';
import { parseInput } from '../tools/operation.js';
import { openBundle, requireTask } from '../tools/views.js';

const pageLines = 500;
const keepAliveMs = 15_000;

/** A stream has no pages. */
const streamed = { name: taskLogs.name, input: taskLogs.input.omit({ limit: true }) };

interface Range {
  taskId: string;
  after: number;
  runId: string | undefined;
}

/**
 * Begins after the log id `after` (or `Last-Event-ID`), follows until the task is settled, then says `end`. Where `closing` comes
 * first it ends without: whoever reads on connects again.
 */
export async function streamLogs(
  context: Context,
  dispatcher: Dispatcher,
  { input, closing }: { input: JsonObject; closing: AbortSignal },
): Promise<Response> {
  const { task_id: taskId, after = 0, run_id: runId } = parseInput(streamed, input);
  await requireTask(dispatcher, taskId);
  const resumed = context.req.header('last-event-id') ?? '';
  return streamSSE(
    context,
    (stream) =>
      follow(stream, dispatcher, {
        taskId,
        after: /^\d{1,15}$/.test(resumed) ? Number(resumed) : after,
        runId,
        closing,
      }),
    async (error) => {
      dispatcher.log.warn('http.stream_failed', { task_id: taskId, error });
    },
  );
}

async function follow(
  stream: SSEStreamingApi,
  dispatcher: Dispatcher,
  { taskId, after, runId, closing }: Range & { closing: AbortSignal },
): Promise<void> {
  let announce = () => {};
  const nextNews = () => new Promise<void>((resolve) => (announce = resolve));
  let news = nextNews();
  const stop = dispatcher.store.watch(() => announce());
  const wake = () => announce();
  stream.onAbort(wake);
  closing.addEventListener('abort', wake);
  const keepAlive = setInterval(() => void stream.write(': alive\n\n'), keepAliveMs);
  let shown = { status: '', progress: '' };
  try {
    while (!stream.aborted && !stream.closed && !closing.aborted) {
      const task = await requireTask(dispatcher, taskId);
      after = await sendLines(stream, dispatcher, { taskId, after, runId });
      const status = JSON.stringify({ status: task.status, status_reason: task.statusReason, attempts: task.attempts });
      const progress = JSON.stringify({ progress: task.progress, progress_text: task.progressText });
      if (status !== shown.status) await stream.writeSSE({ event: 'status', data: status });
      if (progress !== shown.progress && task.progress !== null)
        await stream.writeSSE({ event: 'progress', data: progress });
      shown = { status, progress };
      if (settledStatuses.includes(task.status)) {
        if (task.status === 'needs_anneal' && task.aid !== null) await openBundle(dispatcher, task.aid);
        await stream.writeSSE({ event: 'end', data: JSON.stringify(taskView(task)) });
        return;
      }
      await news;
      news = nextNews();
    }
  } finally {
    stop();
    closing.removeEventListener('abort', wake);
    clearInterval(keepAlive);
  }
}

async function sendLines(
  stream: SSEStreamingApi,
  { store }: Dispatcher,
  { taskId, after, runId }: Range,
): Promise<number> {
  for (;;) {
    const lines = await store.logs.read(taskId, { after, limit: pageLines, runId });
    for (const line of lines)
      await stream.writeSSE({ event: 'log', id: String(line.id), data: JSON.stringify(logLineView(line)) });
    after = lines.at(-1)?.id ?? after;
    if (lines.length < pageLines) return after;
  }
}
