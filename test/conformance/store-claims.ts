// Which task comes next, and that nobody gets the same one twice.
import { describe, expect, it } from 'vitest';
import type { Claim, Store, Worker } from '../../src/queue/store.js';
import {
  jo,
  model,
  must,
  otherWorker,
  queuedTask,
  settlementOf,
  startNext,
  trustedTask,
  worker,
} from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

/** Claims until nothing is left; the ids in the order in which they came. */
async function claimAll(store: Store, by: Worker = worker): Promise<string[]> {
  const ids: string[] = [];
  for (let claim = await store.tasks.claim(by); claim !== null; claim = await store.tasks.claim(by))
    ids.push(claim.task.id);
  return ids;
}

export function claimConformance(under: StoreUnderTest): void {
  const create = (overrides: Parameters<typeof trustedTask>[0]) =>
    under.store.tasks.create(trustedTask(overrides), model);

  describe('a claim', () => {
    it('gives the task with its acknowledgement, and leaves it queued in a lease', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = must(await store.tasks.claim(worker));
      expect(claim).toMatchObject({
        processId: worker.processId,
        task: { id: queued.id, status: 'queued', runId: claim.runId },
      });
      expect(claim.ack).toEqual(await store.people.ack(must(queued.ackId)));
      expect(await store.tasks.leases()).toMatchObject([
        { runId: claim.runId, taskId: queued.id, processId: worker.processId, leaseMs: worker.leaseMs, run: null },
      ]);
    });

    it('finds nothing in an empty queue, and nothing that awaits or is settled', async () => {
      const { store } = under;
      expect(await store.tasks.claim(worker)).toBeNull();
      await create({ id: 'a', status: 'awaiting_ack' });
      await create({ id: 'b' });
      await store.tasks.cancel('b', jo, 'no');
      expect(await store.tasks.claim(worker)).toBeNull();
    });

    it('takes higher priority first, and the older task among equals', async () => {
      await create({ id: 'old' });
      await create({ id: 'low', priority: -10 });
      await create({ id: 'high', priority: 10 });
      await create({ id: 'young' });
      expect(await claimAll(under.store)).toEqual(['high', 'old', 'young', 'low']);
    });

    it('passes over a task until its time has come, whatever its priority', async () => {
      const { store, clock } = under;
      await create({ id: 'later', priority: 10, runAfter: clock.now() + 1000 });
      await create({ id: 'much-later', priority: 10, runAfter: clock.now() + 5000 });
      await create({ id: 'now' });
      expect(await store.tasks.nextDueAt()).toBe(clock.now() + 1000);
      expect(await claimAll(store)).toEqual(['now']);
      clock.advance(999);
      expect(await claimAll(store)).toEqual([]);
      clock.advance(1);
      expect(await claimAll(store)).toEqual(['later']);
      expect(await store.tasks.nextDueAt()).toBe(clock.now() + 4000);
    });

    it('takes an urgent task that became due before a less urgent one that waited longer', async () => {
      const { store, clock } = under;
      await create({ id: 'first' });
      await create({ id: 'urgent', priority: 5, runAfter: clock.now() + 1000 });
      clock.advance(1000);
      expect(await claimAll(store)).toEqual(['urgent', 'first']);
      expect(await store.tasks.nextDueAt()).toBeNull();
    });

    it('waits for the time of a retry', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      const { run, task } = await startNext(store);
      const verdict = { move: 'retry_scheduled', reason: 'again', runAfter: clock.now() + 2000 } as const;
      await store.tasks.settle(settlementOf(run, 'retry_scheduled', { verdict }));
      expect(await store.tasks.claim(worker)).toBeNull();
      expect(await store.tasks.nextDueAt()).toBe(clock.now() + 2000);
      clock.advance(2000);
      expect((await startNext(store)).task).toMatchObject({ id: task.id, attempts: 2 });
    });

    it('holds a type at its limit, and takes others meanwhile', async () => {
      const { store } = under;
      const limited = { taskType: 'limited', policy: { concurrency: 2 } };
      for (const id of ['l1', 'l2', 'l3', 'l4']) await create({ id, ...limited, priority: 10 });
      for (const id of ['f1', 'f2']) await create({ id });
      expect(await claimAll(store)).toEqual(['l1', 'l2', 'f1', 'f2']);
      const first = (await store.tasks.leases()).find(({ taskId }) => taskId === 'l1');
      await store.tasks.release(must(first).runId);
      expect(await claimAll(store, otherWorker)).toEqual(['l1']);
    });

    it('counts a running task of a limited type until it settles', async () => {
      const { store } = under;
      const limited = { taskType: 'limited', policy: { concurrency: 1 } };
      await create({ id: 'l1', ...limited });
      await create({ id: 'l2', ...limited });
      await create({ id: 'm1', taskType: 'more', policy: { concurrency: 1 } });
      const { run } = await startNext(store);
      expect(await claimAll(store)).toEqual(['m1']);
      await store.tasks.settle(settlementOf(run, 'succeeded'));
      expect(await claimAll(store)).toEqual(['l2']);
    });

    it('holds a project at its limit, whoever has its tasks, and takes others meanwhile', async () => {
      const { store } = under;
      const one = { ...worker, projectLimit: 1 };
      for (const id of ['r1', 'r2']) await create({ id, projectId: 'red', priority: 10 });
      await create({ id: 'b1', projectId: 'blue' });
      await create({ id: 'r3', projectId: 'red', taskType: 'limited', policy: { concurrency: 5 } });
      expect(await claimAll(store, one)).toEqual(['r1', 'b1']);
      expect(await claimAll(store, { ...otherWorker, projectLimit: 2 })).toEqual(['r2']);
      expect(await claimAll(store)).toEqual(['r3']);
    });

    it('chooses by priority and age among the projects that have room', async () => {
      const { store } = under;
      const one = { ...worker, projectLimit: 1 };
      const limited = { taskType: 'limited', policy: { concurrency: 5 } };
      await create({ id: 'r1', projectId: 'red', priority: 10 });
      await create({ id: 'r2', projectId: 'red', priority: 9 });
      await create({ id: 'r3', projectId: 'red', priority: 9, ...limited });
      await create({ id: 'z1', projectId: 'zinc' });
      await create({ id: 'b1', projectId: 'blue' });
      await create({ id: 'g1', projectId: 'green', ...limited });
      await create({ id: 'a1', projectId: 'amber', priority: 1, ...limited });
      expect(await claimAll(store, one)).toEqual(['r1', 'a1', 'z1', 'b1', 'g1']);
      expect(await claimAll(store, { ...worker, projectLimit: 3 })).toEqual(['r2', 'r3']);
    });

    it('chooses by priority and age also between limited and unlimited types', async () => {
      const { store } = under;
      await create({ id: 'free' });
      await create({ id: 'z', taskType: 'z-limited', policy: { concurrency: 1 } });
      await create({ id: 'a', taskType: 'a-limited', policy: { concurrency: 1 }, priority: 1 });
      expect(await claimAll(store)).toEqual(['a', 'free', 'z']);
    });

    it('is refused to everyone while the home is paused', async () => {
      const { store } = under;
      const other = await under.connect();
      await create({ id: 'a' });
      await store.tasks.setPaused(true, jo);
      expect([await other.tasks.paused(), await other.tasks.claim(worker)]).toEqual([true, null]);
      await other.tasks.setPaused(true, jo);
      await other.tasks.setPaused(false, model);
      expect(await store.tasks.paused()).toBe(false);
      expect(await claimAll(store)).toEqual(['a']);
      const events = await store.ledger.events({ taskId: null, limit: 10 });
      expect(events.map(({ type, actorId }) => [type, actorId])).toEqual([
        ['paused', 'jo'],
        ['resumed', 'model'],
      ]);
    });

    it('gives each task to one of many who ask at the same time', async () => {
      const { store } = under;
      const stores = [store, await under.connect(), await under.connect()];
      const ids = Array.from({ length: 30 }, (_, index) => `task-${index}`);
      await Promise.all(ids.map((id) => create({ id })));
      const asks = stores.flatMap((one, place) =>
        Array.from({ length: 20 }, () => one.tasks.claim({ processId: `proc_${place}`, leaseMs: 1000 })),
      );
      const claims = (await Promise.all(asks)).filter((claim): claim is Claim => claim !== null);
      expect(claims.map(({ task }) => task.id).sort()).toEqual(ids.sort());
      expect(new Set(claims.map(({ runId }) => runId)).size).toBe(ids.length);
    });

    it('keeps a limit also when many ask at the same time', async () => {
      const { store } = under;
      const stores = [store, await under.connect()];
      for (let index = 0; index < 10; index += 1)
        await create({ id: `l${index}`, taskType: 'limited', policy: { concurrency: 3 } });
      const claims = await Promise.all(
        stores.flatMap((one) => Array.from({ length: 8 }, () => one.tasks.claim(worker))),
      );
      expect(claims.filter((claim) => claim !== null)).toHaveLength(3);
    });

    it('that is released leaves the task as it was', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = must(await store.tasks.claim(worker));
      await store.tasks.release(claim.runId);
      expect(await store.tasks.get(queued.id)).toEqual(queued);
      expect(await store.tasks.leases()).toEqual([]);
      expect((await store.ledger.events({ taskId: queued.id, limit: 10 })).map(({ type }) => type)).toEqual([
        'created',
        'acknowledged',
      ]);
    });

    it('that has begun is not released', async () => {
      const { store } = under;
      await queuedTask(store);
      const { claim, task } = await startNext(store);
      await store.tasks.release(claim.runId);
      expect(await store.tasks.get(task.id)).toMatchObject({ status: 'running', runId: claim.runId });
    });
  });
}
