import { expect, test } from 'vitest';
import { createLog } from '../src/log.js';

test('on a terminal a value neither controls it nor begins a line of its own', () => {
  const lines: string[] = [];
  const log = createLog({ pretty: true, write: (line) => lines.push(line) });
  log.info('task.failed', {
    reason: 'x\u001b]0;owned\u0007\u009b2J\n12:00:00 task.succeeded\u202e',
    error: new Error('a\rb'),
  });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(lines[0]).toContain('\\u{1b}]0;owned');
});
