import { expect, test } from 'vitest';
import { unifiedDiff } from '../src/unified-diff.js';

const lines = (name: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${name}${index}\n`).join('');

test('two texts of a hundred thousand lines without one in common are told one after the other', async () => {
  const diff = await unifiedDiff('script', { before: lines('old', 100_000), after: lines('new', 100_000) });
  expect(diff).toContain('\n-old0\n');
  expect(diff.endsWith('\n+new99999\n')).toBe(true);
  expect(diff.match(/^-old/gm)).toHaveLength(100_000);
});

test('a changed line stands with its neighbours', async () => {
  const diff = await unifiedDiff('script', { before: 'a\nb\nc\n', after: 'a\nB\nc\n' }, ['trusted', 'now']);
  expect(diff).toContain('--- script\ttrusted\n+++ script\tnow\n');
  expect(diff).toContain(' a\n-b\n+B\n c\n');
});
