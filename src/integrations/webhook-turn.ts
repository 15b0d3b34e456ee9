// Of several processes on one home, one sends. The turn is a fact in the store that its holder keeps moving;
// whoever sees it stand still for long enough, by its own monotonic clock, takes it over.
import { randomBytes } from 'node:crypto';
import type { LedgerStore } from '../queue/store.js';
import type { Time } from './time.js';

export interface Turn {
  /** Takes the turn where it is free, given back, or stood still; false where another process has it. */
  take(): Promise<boolean>;
  /** Says that this process still sends; false where another has taken over. */
  keep(): Promise<boolean>;
  giveBack(): Promise<void>;
}

const fact = 'webhook_turn';
const free = 'free';
export const turnMs = 30_000;

export function createTurn(ledger: Pick<LedgerStore, 'fact' | 'setFact'>, time: Time): Turn {
  const holder = randomBytes(8).toString('hex');
  let moves = 0;
  let mine: string | null = null;
  let seen: { value: string; since: number } | null = null;

  const stoodStill = (value: string): boolean => {
    if (seen?.value !== value) seen = { value, since: time.now() };
    return time.now() - seen.since >= turnMs;
  };

  /** Writes the next value over exactly `expected`. */
  const move = async (expected: string): Promise<boolean> => {
    const next = `${holder}:${++moves}`;
    mine = (await ledger.setFact(fact, next, expected)) === next ? next : null;
    return mine !== null;
  };

  return {
    async take() {
      const value = (await ledger.fact(fact)) ?? (await ledger.setFact(fact, free));
      return value === mine || value.startsWith(free) || stoodStill(value) ? move(value) : false;
    },
    keep: async () => mine !== null && move(mine),
    async giveBack() {
      // Each giving back has a value of its own, so that nobody mistakes it for an older one.
      if (mine !== null) await ledger.setFact(fact, `${free}:${mine}`, mine);
      mine = null;
    },
  };
}
