// A script's output as log lines: split, cut, capped, redacted, and stored in batches.
import { StringDecoder } from 'node:string_decoder';
import type { Log } from '../log.js';
import type { LogStore, NewLogLine } from '../queue/store.js';
import type { Redact } from '../redact.js';

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
  logs,
  taskId,
  runId,
  now,
  log,
}: {
  logs: LogStore;
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
      .then(() => logs.append(batch))
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

/**
 * Keeps the head and the tail of a stream, half the cap each; counts what lies between.
 * @param line takes each kept line, redacted; may swallow one by answering true
 */
export function createStreamSink(
  stream: Stream,
  { redact, emit, swallow }: { redact: Redact; emit: LogBatch['add']; swallow: (line: string) => boolean },
): StreamSink {
  const decoder = new StringDecoder('utf8');
  const half = outputLimits.streamBytes / 2;
  let rest = '';
  let headBytes = 0;
  let kept: string[] = [];
  let keptBytes = 0;
  let droppedLines = 0;
  let droppedBytes = 0;
  let tail = '';

  const line = (raw: string) => {
    const text = redact(raw.endsWith('\r') ? raw.slice(0, -1) : raw);
    if (swallow(text)) return;
    tail = `${tail}${text}\n`.slice(-tailBytes);
    const bytes = Buffer.byteLength(text) + 1;
    if (headBytes + bytes <= half) {
      headBytes += bytes;
      emit(stream, text);
      return;
    }
    headBytes = half;
    kept.push(text);
    keptBytes += bytes;
    while (keptBytes > half && kept.length > 1) {
      const dropped = Buffer.byteLength(kept.shift() ?? '') + 1;
      keptBytes -= dropped;
      droppedLines += 1;
      droppedBytes += dropped;
    }
  };

  const take = (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) line(cut(part));
    // A line without an end must not grow without one.
    if (rest.length > outputLimits.lineBytes * 2) rest = rest.slice(0, outputLimits.lineBytes * 2);
  };

  return {
    write: (chunk) => take(decoder.write(chunk)),
    end() {
      take(decoder.end());
      if (rest !== '') line(cut(rest));
      rest = '';
      if (droppedLines > 0)
        emit(
          'system',
          `${droppedLines} lines of ${stream} (${droppedBytes} bytes) are left out here: more than ${outputLimits.streamBytes} bytes came.`,
        );
      for (const text of kept) emit(stream, text);
      kept = [];
    },
    tail: () => tail,
  };
}

const cut = (text: string): string =>
  text.length <= outputLimits.lineBytes
    ? text
    : `${text.slice(0, outputLimits.lineBytes)}… (cut, ${text.length} characters)`;

/** `::progress:: 40 uploading`, or null for any other line. */
export function parseProgress(line: string): { percent: number; text: string | null } | null {
  const match = /^::progress::\s+(\d{1,3}(?:\.\d+)?)%?(?:\s+(.*))?$/.exec(line);
  if (match?.[1] === undefined || Number(match[1]) > 100) return null;
  return { percent: Number(match[1]), text: match[2]?.slice(0, 500) ?? null };
}
