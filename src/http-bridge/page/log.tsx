// A task's log as people read it: colours made safe on the server, once, for the page and for the live stream alike.
import Anser from 'anser';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { isoTime } from '../../clock.js';
import { settledStatuses } from '../../tasks/states.js';
import type { LogLine } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { requireTask } from '../../tools/views.js';
import type { PageContext } from './env.js';
import { withHiddenShown } from './hidden-characters.js';

const linesAtOnce = 500;

/** One piece of a line: its classes and its text. */
type Part = [classes: string, text: string];

const colour = /^ansi-(?:bright-)?(black|red|green|yellow|blue|magenta|cyan|white)$/;

/** What speaks to the terminal itself: titles, links and other strings (ECMA-48 section 5.6), character sets. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const forTerminal = /\u001b(?:[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\|$)|[()*+][0-9A-Za-z])/g;

/** A terminal would write over a line that returned; here both stay. */
const withoutTerminal = (text: string): string => text.replace(forTerminal, '').replace(/\r(?!\n)/g, '\n');

/** A text that a script may have written, without escape sequences or hidden characters. */
export const plainText = (text: string): string => withHiddenShown(Anser.ansiToText(withoutTerminal(text)));

/** A line's text without any escape sequence; the sixteen colours and the usual decorations become classes, the rest goes. */
export function ansiParts(line: string): Part[] {
  const text = withoutTerminal(line);
  if (!text.includes('\u001b')) return [['', withHiddenShown(text)]];
  return Anser.ansiToJson(text, { use_classes: true, json: true, remove_empty: true }).map((entry) => [
    [
      colour.exec(entry.fg ?? '')?.[1],
      colour.exec(entry.bg ?? '')?.[1]?.replace(/^/, 'bg-'),
      ...entry.decorations.filter((name) => name !== 'hidden' && name !== 'blink' && name !== 'reverse'),
    ]
      .filter((name) => name !== undefined)
      .map((name) => `ansi-${name}`)
      .join(' '),
    withHiddenShown(entry.content),
  ]);
}

export const LogLines = ({ lines }: { lines: LogLine[] }) => (
  <div>
    {lines.map((line) => (
      <div class={`line ${line.stream}`} title={isoTime(line.at)}>
        {ansiParts(line.text).map(([classes, text]) => (classes === '' ? text : <span class={classes}>{text}</span>))}
      </div>
    ))}
  </div>
);

/** `lines` in batches from the log id `after`, then as they come; `end` when the task is settled. */
export async function streamLog(context: PageContext, dispatcher: Dispatcher): Promise<Response> {
  const taskId = context.req.param('id') ?? '';
  await requireTask(dispatcher, taskId);
  if (context.req.method === 'HEAD') return context.body(null, 200, { 'Content-Type': 'text/event-stream' });
  const after = Number(context.req.header('last-event-id') ?? context.req.query('after') ?? 0);
  return streamSSE(
    context,
    (stream) => follow(stream, dispatcher, taskId, Number.isSafeInteger(after) ? after : 0),
    async (error) => dispatcher.log.warn('page.stream_failed', { task_id: taskId, error }),
  );
}

async function follow(stream: SSEStreamingApi, dispatcher: Dispatcher, taskId: string, from: number): Promise<void> {
  const { logs, watch } = dispatcher.store;
  let announce = () => {};
  const nextNews = () => new Promise<void>((resolve) => (announce = resolve));
  let news = nextNews();
  const stop = watch(() => announce());
  stream.onAbort(() => announce());
  let after = from;
  try {
    while (!stream.aborted && !stream.closed) {
      const { status } = await requireTask(dispatcher, taskId);
      const lines = await logs.read(taskId, { after, limit: linesAtOnce });
      after = lines.at(-1)?.id ?? after;
      if (lines.length > 0)
        await stream.writeSSE({ event: 'lines', id: String(after), data: JSON.stringify(lines.map(toLine)) });
      if (lines.length === linesAtOnce) continue;
      if (settledStatuses.includes(status)) return await stream.writeSSE({ event: 'end', data: '{}' });
      await news;
      news = nextNews();
    }
  } finally {
    stop();
  }
}

const toLine = ({ at, stream, text }: LogLine) => [stream, isoTime(at), ansiParts(text)];

/** The whole log as a text file that a terminal may show: without escape sequences. */
export async function downloadLog(context: PageContext, dispatcher: Dispatcher): Promise<Response> {
  const { id: taskId } = await requireTask(dispatcher, context.req.param('id') ?? '');
  const encoder = new TextEncoder();
  let after = 0;
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const lines = await dispatcher.store.logs.read(taskId, { after, limit: linesAtOnce });
      after = lines.at(-1)?.id ?? after;
      if (lines.length > 0) controller.enqueue(encoder.encode(lines.map(plainLine).join('')));
      if (lines.length < linesAtOnce) controller.close();
    },
  });
  return new Response(body, {
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Disposition': `attachment; filename="${taskId}.log"`,
    },
  });
}

const plainLine = ({ at, stream, text }: LogLine): string => `${isoTime(at)} ${stream.padEnd(6)} ${plainText(text)}\n`;
