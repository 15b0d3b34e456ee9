import { expect, test } from 'vitest';
import { ackEnd, ackFault, coveredUntil } from '../../src/tasks/ack.js';
import { retryCoverMs } from '../../src/tasks/retry.js';

const fresh = { expiresAt: 1000, firstStartedAt: null, revokedAt: null, spentAt: null };
const started = { ...fresh, firstStartedAt: 900 };

test('an ack covers a first start until it expires, and retries for an hour after that, to the millisecond', () => {
  expect([999, 1000].map((now) => ackFault(fresh, now))).toEqual([null, 'expired']);
  expect(coveredUntil(started)).toBe(900 + retryCoverMs);
  expect([coveredUntil(started) - 1, coveredUntil(started)].map((now) => ackFault(started, now))).toEqual([
    null,
    'cover_over',
  ]);
});

test('of several reasons the first in the order of the tokens’ codes is told', () => {
  const over = { ...fresh, revokedAt: 1, spentAt: 2 };
  expect(ackFault(over, 1000)).toBe('expired');
  expect([ackFault(over, 0), ackEnd(over)]).toEqual(['revoked', 'revoked']);
  expect([ackFault({ ...fresh, spentAt: 2 }, 0), ackEnd(fresh)]).toEqual(['spent', null]);
});
