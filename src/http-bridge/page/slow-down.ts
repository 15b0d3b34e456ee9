// Failed sign-ins are slowed: after a few in a row none is looked at for a while, and the while grows.
import type { Clock } from '../../clock.js';
import { DispatcherError } from '../../errors.js';

const freeFailures = 3;
const longestMs = 60_000;

export interface SlowDown {
  /** @throws DispatcherError `rate_limited` with the seconds to wait */
  assertMayTry(): void;
  /** Whether enough time has passed since the failures before. */
  mayTry(): boolean;
  failed(): void;
  succeeded(): void;
}

export function createSlowDown(clock: Clock): SlowDown {
  let failures = 0;
  let closedUntil = 0;
  const restMs = () => closedUntil - clock.monotonic();
  return {
    mayTry: () => restMs() <= 0,
    assertMayTry() {
      const waitMs = restMs();
      if (waitMs <= 0) return;
      throw new DispatcherError('rate_limited', 'Too many sign-ins have failed.', {
        hint: `Try again in ${Math.ceil(waitMs / 1000)} s, or get a link with \`doe open\`.`,
        details: { retry_after: Math.ceil(waitMs / 1000) },
      });
    },
    failed() {
      failures += 1;
      if (failures < freeFailures) return;
      closedUntil = clock.monotonic() + Math.min(longestMs, 1000 * 2 ** (failures - freeFailures));
    },
    succeeded() {
      failures = 0;
      closedUntil = 0;
    },
  };
}
