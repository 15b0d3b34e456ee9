import { expect, test } from 'vitest';
import { createRedactor } from '../../src/redact.js';
import { createStreamSink, parseProgress } from '../../src/worker/output.js';

function sinkOf(secrets: string[] = []) {
  const lines: { stream: string; text: string }[] = [];
  const sink = createStreamSink('stdout', {
    redact: createRedactor(secrets),
    emit: (stream, text) => lines.push({ stream, text }),
    swallow: (line, hide) => parseProgress(line, hide) !== null,
  });
  return { sink, lines, texts: () => lines.map(({ text }) => text) };
}

test('lines are split wherever the chunks are cut, also inside a character', () => {
  const { sink, texts } = sinkOf();
  const bytes = Buffer.from('grün\r\nzwei\nohne Ende');
  for (const byte of bytes) sink.write(Buffer.from([byte]));
  sink.end();
  expect(texts()).toEqual(['grün', 'zwei', 'ohne Ende']);
});

test('of more than 1 MiB the head and the tail are kept, and the middle is counted', () => {
  const { sink, lines } = sinkOf();
  const total = 120_000;
  for (let n = 0; n < total; n++) sink.write(Buffer.from(`line ${String(n).padStart(6, '0')}\n`));
  sink.end();
  const stdout = lines.filter(({ stream }) => stream === 'stdout');
  const bytes = stdout.reduce((sum, { text }) => sum + text.length + 1, 0);
  expect(bytes).toBeLessThanOrEqual(1024 * 1024);
  expect(bytes).toBeGreaterThan(1000 * 1024);
  expect(stdout[0]?.text).toBe('line 000000');
  expect(stdout.at(-1)?.text).toBe(`line ${total - 1}`);
  const note = lines.find(({ stream }) => stream === 'system')?.text ?? '';
  expect(note).toContain(`${total - stdout.length} lines of stdout (${(total - stdout.length) * 12} bytes)`);
});

test('a line over 64 KiB is cut, and one without an end does not grow in memory', () => {
  const { sink, texts } = sinkOf();
  for (let n = 0; n < 64; n++) sink.write(Buffer.alloc(64 * 1024, 'x'));
  sink.write(Buffer.from('\nnext\n'));
  sink.end();
  expect(texts()[0]).toHaveLength(64 * 1024 + `… (cut, ${4 * 1024 * 1024} characters)`.length);
  expect(texts()[0]).toContain('(cut, 4194304 characters)');
  expect(texts()[1]).toBe('next');
});

test('the 64 KiB are bytes, and no character is cut in two', () => {
  const { sink, texts } = sinkOf();
  sink.write(Buffer.from(`${'é'.repeat(32 * 1024)}\n${'x'}${'漢'.repeat(30_000)}\n`));
  sink.end();
  expect(texts()[0]).toBe('é'.repeat(32 * 1024));
  expect(texts()[1]).toBe(`x${'漢'.repeat(21_845)}… (cut, 30001 characters)`);
});

test('binary output survives as text', () => {
  const { sink, texts } = sinkOf();
  sink.write(Buffer.from([0, 0xff, 0xfe, 0x0a, 0x41, 0x0a]));
  sink.end();
  expect(texts()).toEqual(['\0\ufffd\ufffd', 'A']);
});

test('a secret is redacted also where the cut goes through it, and each line of one with several', () => {
  const key = 'first-line-of-the-key\nsecond-line-of-the-key';
  const { sink, texts } = sinkOf(['hunter2hunter2', key]);
  sink.write(Buffer.from(`${'x'.repeat(64 * 1024 - 5)}hunter2hunter2\n${key}\n`));
  sink.end();
  const all = texts().join('\n');
  for (const part of ['hunter', 'first-line', 'second-line']) expect(all).not.toContain(part);
});

test('the tail for judging a failure is the last 4 KiB, redacted', () => {
  const { sink } = sinkOf(['hunter2hunter2']);
  for (let n = 0; n < 2000; n++) sink.write(Buffer.from(`line ${n}\n`));
  sink.write(Buffer.from('hunter2hunter2\nlast words\n'));
  sink.end();
  expect(sink.tail().length).toBeLessThanOrEqual(4096);
  expect(sink.tail()).toMatch(/line 1999\n\[redacted\]\nlast words\n$/);
});

test('a secret at the place where a line without an end is cut survives neither in the log nor in the tail, whole or in part', () => {
  const secret = 'hunter2hunter2';
  const { sink, texts } = sinkOf([secret]);
  const most = 128 * 1024;
  const many = secret.repeat(Math.floor((most - 7) / secret.length));
  const line = `${many}${'x'.repeat(most - 7 - many.length)}${secret}`;
  sink.write(Buffer.from(line));
  sink.write(Buffer.from(`${'y'.repeat(1000)}\n`));
  sink.end();
  expect(texts()[0]).toContain(`(cut, ${line.length + 1000} characters)`);
  expect(texts().join('\n')).not.toContain('hunt');
  expect(sink.tail()).not.toContain('hunt');
  expect(texts()[0]).toContain('[redacted]');
});

test('a secret in a progress text is taken out before the text is cut', () => {
  const hide = createRedactor(['hunter2hunter2']);
  for (const before of [480, 490, 495]) {
    const seen = parseProgress(`::progress:: 40 ${'x'.repeat(before)}hunter2hunter2 and more`, hide);
    expect(seen?.text).not.toContain('hunt');
    expect(seen?.text?.length).toBeLessThanOrEqual(500);
  }
});

test('progress lines are read, not logged; what only looks like one is a line', () => {
  const read = (line: string) => parseProgress(line, (text) => text);
  expect(read('::progress:: 40 uploading')).toEqual({ percent: 40, text: 'uploading' });
  expect(read('::progress:: 12.5%')).toEqual({ percent: 12.5, text: null });
  for (const other of ['::progress:: 101', '::progress:: -1', '::progress::40', ' ::progress:: 40', '::progress:: x'])
    expect(read(other)).toBeNull();
  const { sink, texts } = sinkOf();
  sink.write(Buffer.from('::progress:: 10\n::progress:: 200\n'));
  sink.end();
  expect(texts()).toEqual(['::progress:: 200']);
});

test('lines made to be slow to look through are looked through all the same', () => {
  const { sink, texts } = sinkOf();
  const beginnings = '-eyJ'.repeat(32_000);
  const spaces = `::progress:: 4${' '.repeat(100_000)}x\u2028`;
  sink.write(Buffer.from(`${beginnings}\n${spaces}\n`));
  sink.end();
  expect(texts()).toHaveLength(1);
  expect(texts()[0]).toContain('-eyJ-eyJ');
});
