import { expect, test } from 'vitest';
import { once } from '../src/once.js';

test('all who ask share one result, and who fails is forgotten: the next one tries again', async () => {
  let tries = 0;
  const ask = once(async () => {
    tries += 1;
    if (tries === 1) throw new Error('the disk was full');
    return tries;
  });
  expect(ask.begun).toBeUndefined();
  const first = await Promise.allSettled([ask(), ask()]);
  expect(first.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(ask.begun).toBeUndefined();
  expect(await Promise.all([ask(), ask(), ask()])).toEqual([2, 2, 2]);
  ask.forget();
  expect(await ask()).toBe(3);
});
