// What every adapter of the store must do: the port's promises, one test each. Run it with a way to open the same
// fresh store more than once, as several processes of one home do.
import { beforeEach, describe, onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock.js';
import type { Store } from '../../src/queue/store.js';
import { createTestClock, type TestClock } from '../helpers/test-app.js';
import { auditConformance } from './store-audit.js';
import { claimConformance } from './store-claims.js';
import { figureConformance } from './store-figures.js';
import { modelConformance } from './store-model.js';
import { moveConformance } from './store-moves.js';
import { passkeyConformance } from './store-passkeys.js';
import { recordConformance } from './store-records.js';
import { runConformance } from './store-runs.js';

/** Makes an empty store and answers the way to open it, each time by a connection of its own. */
export type FreshStore = () => Promise<(clock: Clock) => Promise<Store>>;

export interface StoreUnderTest {
  readonly store: Store;
  readonly clock: TestClock;
  /** Another connection to the same store, as another process has. */
  connect(): Promise<Store>;
}

/** @param options.sequences how many random sequences of moves are compared with the model of the state table */
export function storeConformance(name: string, fresh: FreshStore, { sequences = 300 } = {}): void {
  describe(`${name} keeps the promises of the store`, () => {
    const current: { store?: Store; clock?: TestClock; open?: (clock: Clock) => Promise<Store> } = {};
    const part = <Key extends keyof typeof current>(key: Key) => {
      const value = current[key];
      if (value === undefined) throw new Error('The store is opened before each test.');
      return value;
    };
    const connect = async () => {
      const store = await part('open')(part('clock'));
      onTestFinished(() => store.close());
      return store;
    };
    const under: StoreUnderTest = {
      get store() {
        return part('store');
      },
      get clock() {
        return part('clock');
      },
      connect,
    };

    beforeEach(async () => {
      current.clock = createTestClock(Date.UTC(2030, 0, 1));
      current.open = await fresh();
      const store = await current.open(current.clock);
      current.store = store;
      return () => store.close();
    });

    moveConformance(under);
    claimConformance(under);
    runConformance(under);
    recordConformance(under);
    passkeyConformance(under);
    figureConformance(under);
    auditConformance(under);
    modelConformance(under, sequences);
  });
}
