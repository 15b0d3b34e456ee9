// What a page counts: ended runs and the queue's depth by the hour, and the revisions of a directive.
import { describe, expect, it } from 'vitest';
import { queuedTask, settlementOf, startNext } from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

const hourMs = 3_600_000;
/** Within the life of an acknowledgement. */
const minuteMs = 60_000;

export function figureConformance(under: StoreUnderTest): void {
  describe('figures', () => {
    it('count ended runs by outcome and hour, and leave out what ended before or runs still', async () => {
      const { store, clock } = under;
      const end = async (move: 'succeeded' | 'failed') => {
        await queuedTask(store);
        const { run } = await startNext(store);
        await store.tasks.settle(settlementOf(run, move));
      };
      await end('succeeded');
      clock.advance(hourMs);
      const since = clock.now();
      await end('succeeded');
      await end('failed');
      clock.advance(2 * hourMs + 1);
      await end('succeeded');
      await end('succeeded');
      await queuedTask(store);
      await startNext(store);
      const ended = await store.tasks.endedRuns(since, hourMs);
      expect(ended.sort((one, other) => one.at - other.at || one.outcome.localeCompare(other.outcome))).toEqual([
        { at: since, outcome: 'failed', count: 1 },
        { at: since, outcome: 'succeeded', count: 1 },
        { at: since + 2 * hourMs, outcome: 'succeeded', count: 2 },
      ]);
    });

    it('tell by how much the queue grew and shrank in each stretch', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      clock.advance(minuteMs);
      const since = clock.now();
      expect(await store.tasks.queueChanges(since, minuteMs)).toEqual([]);
      await queuedTask(store);
      await queuedTask(store);
      clock.advance(minuteMs);
      await startNext(store);
      const changes = await store.tasks.queueChanges(since, minuteMs);
      expect(changes.filter(({ change }) => change !== 0)).toEqual([
        { at: since, change: 2 },
        { at: since + minuteMs, change: -1 },
      ]);
    });

    it('name the revisions of a directive, newest first, each by its first sight', async () => {
      const { store, clock } = under;
      const revision = { id: 'hello', version: 1, title: 'Hello', taskType: 'hello' };
      const begun = clock.now();
      for (const sha256 of ['a', 'b', 'a']) {
        await store.ledger.noteDirective({ ...revision, sha256 });
        clock.advance(1000);
      }
      await store.ledger.noteDirective({ ...revision, id: 'other', sha256: 'c' });
      expect(await store.ledger.revisions('hello')).toEqual([
        { sha256: 'b', version: 1, firstSeenAt: begun + 1000 },
        { sha256: 'a', version: 1, firstSeenAt: begun },
      ]);
      expect(await store.ledger.revisions('none')).toEqual([]);
    });
  });
}
