// A script's output as log lines: split, cut, capped, redacted, and stored in batches.
import { StringDecoder } from 'node:string_decoder';
import type { Log } from '../log.js';
import type { LogStore, NewLogLine } from '../queue/store.js';
import type { Redact, Redactor } from '../redact.js';

export const outputLimits = { lineBytes: 64 * 1024, streamBytes: 1024 * 1024 };
const batchLines = 100;
const batchMs = 50;
const tailBytes = 4096;

type Stream = 'stdout' | 'stderr';

/** Collects lines and stores them every 50 ms or 100 lines. A store that refuses costs log lines, never the run. */
export interface LogBatch {
  add(stream: NewLogLine['stream'], text: string): void;
  flush(): Promise<void>;
}

export function createLogBatch({
  append,
  taskId,
  runId,
  now,
  log,
}: {
  append: LogStore['append'];
  taskId: string;
  runId: string;
  now: () => number;
  log: Log;
}): LogBatch {
  let lines: NewLogLine[] = [];
  let timer: NodeJS.Timeout | undefined;
  let last: Promise<void> = Promise.resolve();
  const send = () => {
    clearTimeout(timer);
    timer = undefined;
    const batch = lines;
    lines = [];
    if (batch.length === 0) return;
    last = last
      .then(() => append(batch))
      .catch((error: unknown) =>
        log.warn('run.log_lost', { task_id: taskId, run_id: runId, lines: batch.length, error }),
      );
  };
  return {
    add(stream, text) {
      lines.push({ taskId, runId, stream, text, at: now() });
      if (lines.length >= batchLines) send();
      else timer ??= setTimeout(send, batchMs);
    },
    async flush() {
      send();
      await last;
    },
  };
}

export interface StreamSink {
  write(chunk: Buffer): void;
  end(): void;
  /** The last part, for judging a failure. */
  tail(): string;
}

/** The last lines of a stream, bounded in bytes; what falls out at the front is counted. */
function createTail(limit: number) {
  let lines: string[] = [];
  let first = 0;
  let bytes = 0;
  const dropped = { lines: 0, bytes: 0 };
  return {
    dropped,
    push(line: string) {
      lines.push(line);
      bytes += Buffer.byteLength(line) + 1;
      while (bytes > limit && first < lines.length - 1) {
        const gone = Buffer.byteLength(lines[first] ?? '') + 1;
        first += 1;
        bytes -= gone;
        dropped.lines += 1;
        dropped.bytes += gone;
      }
      if (first <= lines.length / 2) return;
      lines = lines.slice(first);
      first = 0;
    },
    take: () => lines.slice(first),
  };
}

/**
 * Keeps the head and the tail of a stream, half the cap each; counts what lies between.
 * @param emit takes each kept line, redacted and cut
 * @param swallow may take a line out by answering true; `hide` takes the secrets out of what it keeps of it
 */
export function createStreamSink(
  stream: Stream,
  {
    redact,
    emit,
    swallow,
  }: { redact: Redactor; emit: LogBatch['add']; swallow: (line: string, hide: Redact) => boolean },
): StreamSink {
  const decoder = new StringDecoder('utf8');
  const half = outputLimits.streamBytes / 2;
  const end = createTail(half);
  const recent = createTail(tailBytes);
  let rest = '';
  let lost = 0;
  let headBytes = 0;

  // Redacted before it is cut: a cut through a secret would leave a part that nobody knows for one.
  const shown = (raw: string, more = 0) => {
    const clean = more === 0 ? redact(raw) : redact.ofCut(raw);
    return cut(clean, more === 0 ? 0 : raw.length - clean.length + more);
  };

  const line = (raw: string, more = 0) => {
    const hide = more === 0 ? redact : redact.ofCut;
    if (swallow(raw, hide)) return;
    recent.push(raw.length > tailBytes ? hide(raw).slice(-tailBytes) : raw);
    const bytes = Buffer.byteLength(raw) + 1;
    if (headBytes + bytes <= half) {
      headBytes += bytes;
      emit(stream, shown(raw, more));
      return;
    }
    headBytes = half;
    end.push(more === 0 ? raw : shown(raw, more));
  };

  const take = (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      line(part.endsWith('\r') ? part.slice(0, -1) : part, lost);
      lost = 0;
    }
    // A line without an end must not grow without one.
    const most = outputLimits.lineBytes * 2;
    if (rest.length > most) lost += rest.length - most;
    rest = rest.slice(0, most);
  };

  return {
    write: (chunk) => take(decoder.write(chunk)),
    end() {
      take(decoder.end());
      if (rest !== '') line(rest, lost);
      rest = '';
      if (end.dropped.lines > 0)
        emit(
          'system',
          `${end.dropped.lines} lines of ${stream} (${end.dropped.bytes} bytes) are left out here: more than ${outputLimits.streamBytes} bytes came.`,
        );
      for (const text of end.take()) emit(stream, shown(text));
    },
    tail: () =>
      redact(
        recent
          .take()
          .map((text) => `${text}\n`)
          .join(''),
      ).slice(-tailBytes),
  };
}

function cut(text: string, more: number): string {
  const { lineBytes } = outputLimits;
  if (more === 0 && (text.length * 3 <= lineBytes || Buffer.byteLength(text) <= lineBytes)) return text;
  // A decoder keeps back the character that the cut goes through.
  const kept = new StringDecoder('utf8').write(Buffer.from(text.slice(0, lineBytes)).subarray(0, lineBytes));
  return `${kept}… (cut, ${text.length + more} characters)`;
}

/** `::progress:: 40 uploading`, its text redacted and then cut; null for any other line. */
export function parseProgress(line: string, redact: Redact): { percent: number; text: string | null } | null {
  // The beginning is enough, and bounds what a hostile line can cost.
  const match = /^::progress::\s+(\d{1,3}(?:\.\d+)?)%?(?:\s+(.*))?$/.exec(line.slice(0, 700));
  if (match?.[1] === undefined || Number(match[1]) > 100) return null;
  if (match[2] === undefined) return { percent: Number(match[1]), text: null };
  const whole = line.slice(match[0].length - match[2].length);
  return { percent: Number(match[1]), text: redact(whole).slice(0, 500) };
}
