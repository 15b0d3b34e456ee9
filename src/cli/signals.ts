// The end of a process that lives until it is told: the first signal asks it to stop, the second ends it at once.
import { constants } from 'node:os';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Ending {
  /** Resolves with the reason of the first wish to end. */
  readonly wished: Promise<string>;
  /** A wish that is no signal, such as the end of stdin. */
  wish(reason: string): void;
}

export function awaitEnding(): Ending {
  let wish = (_reason: string) => {};
  const wished = new Promise<string>((resolve) => (wish = resolve));
  let asked = false;
  for (const signal of signals) {
    process.on(signal, () => {
      if (asked) process.exit(128 + constants.signals[signal]);
      asked = true;
      wish(signal);
    });
  }
  return { wished, wish };
}
