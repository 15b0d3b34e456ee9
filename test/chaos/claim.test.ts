// What a claim costs must not grow with the queue behind it: the same measurement that `npm run bench` makes.
import { dirname } from 'node:path';
import { expect, test } from 'vitest';

interface Check {
  name: string;
  value: number;
  ok: boolean;
}
interface Bench {
  claimWithFullQueue(options: { dist: string; queued: number; claims: number }): Promise<Check[]>;
}

test('a claim with 100,000 tasks queued takes no more than 1.25 times as long as with none', async () => {
  const bench = new URL('../../bench/claim.mjs', import.meta.url).href;
  const { claimWithFullQueue } = (await import(bench)) as Bench;
  const dist = dirname(dirname(process.env.DOE_TEST_CLI ?? ''));
  const checks = await claimWithFullQueue({ dist, queued: 100_000, claims: 1000 });
  for (const { name, value } of checks) process.stdout.write(`${name}: ${value.toFixed(2)}\n`);
  expect(checks.filter(({ ok }) => !ok)).toEqual([]);
});
