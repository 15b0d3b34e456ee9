// A task in a worker's hands: begun under an ack that holds, kept alive, settled once by its holder.
import { describe, expect, it } from 'vitest';
import { retryCoverMs } from '../../src/tasks/retry.js';
import { newAnnealId, type Task } from '../../src/tasks/task.js';
import {
  ackOf,
  failure,
  jo,
  model,
  must,
  newTask,
  otherWorker,
  pinsOf,
  queuedTask,
  settlementOf,
  startNext,
  trustedTask,
  worker,
} from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

export function runConformance(under: StoreUnderTest): void {
  const claimNext = async () => must(await under.store.tasks.claim(worker));
  const begin = (runId: string, ack: ReturnType<typeof ackOf> | null = null, processId = worker.processId) =>
    under.store.tasks.begin(runId, { processId, host: 'here', ack });

  describe('the begin of a run', () => {
    it('counts the attempt, marks the first start, and writes the run with what it covers', async () => {
      const { store, clock } = under;
      const queued = await queuedTask(store);
      const { task, ack, run, claim } = await startNext(store);
      expect(task).toMatchObject({
        id: queued.id,
        status: 'running',
        attempts: 1,
        startedAt: clock.now(),
        assurance: 'operator',
      });
      expect(ack).toMatchObject({ id: queued.ackId, firstStartedAt: clock.now() });
      expect(run).toMatchObject({
        id: claim.runId,
        taskId: queued.id,
        ackId: ack.id,
        attempt: 1,
        processId: worker.processId,
        host: 'here',
        pid: null,
        outcome: null,
        startedAt: clock.now(),
        directiveSha256: queued.pins.directiveSha256,
        scriptSha256: queued.pins.scriptSha256,
        payloadSha256: queued.pins.payloadSha256,
      });
      expect(await store.tasks.run(run.id)).toEqual(run);
      expect(await store.tasks.leases()).toMatchObject([{ runId: run.id, run: { id: run.id } }]);
    });

    it('happens once', async () => {
      await queuedTask(under.store);
      const { claim } = await startNext(under.store);
      expect(await begin(claim.runId)).toBeNull();
      expect(await under.store.tasks.runs(claim.task.id)).toHaveLength(1);
    });

    it('is refused without a lease, or to another process than holds it', async () => {
      const { store } = under;
      await queuedTask(store);
      const claim = await claimNext();
      expect(await begin('run_nobody_has')).toBeNull();
      expect(await begin(claim.runId, null, otherWorker.processId)).toBeNull();
      expect(await begin(claim.runId)).not.toBeNull();
    });

    it('is refused when the acknowledgement expired before the first start, by the millisecond', async () => {
      const { store, clock } = under;
      const queued = await queuedTask(store);
      const claim = await claimNext();
      const { expiresAt } = must(claim.ack);
      clock.advance(expiresAt - clock.now());
      expect(await begin(claim.runId)).toBeNull();
      clock.jump(-1);
      expect(await begin(claim.runId)).not.toBeNull();
      expect((await store.tasks.get(queued.id))?.status).toBe('running');
    });

    it('stays refused for an expired acknowledgement when the clock is set back', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      const claim = await claimNext();
      clock.advance(must(claim.ack).expiresAt - clock.now());
      await store.ledger.record({ taskId: null, type: 'refused', assurance: null, data: {} }, jo);
      clock.jump(-60 * 60_000);
      expect(await begin(claim.runId)).toBeNull();
    });

    it('stays refused past its time when the acknowledgement was given under a clock far ahead that was put right', async () => {
      const { store, clock } = under;
      const [year, minute] = [365 * 86_400_000, 60_000];
      clock.jump(year);
      await queuedTask(store);
      clock.jump(-year);
      const claim = await claimNext();
      const seen = [await store.now()];
      for (const minutes of [5, 5, 4]) {
        clock.advance(minutes * minute);
        seen.push(await store.now());
      }
      expect(seen).toEqual([...seen].sort((one, other) => one - other));
      expect(must(seen.at(-1))).toBeLessThan(must(claim.ack).expiresAt);
      clock.advance(minute + 1000);
      expect(await store.now()).toBeGreaterThanOrEqual(must(claim.ack).expiresAt);
      expect(await begin(claim.runId)).toBeNull();
    });

    it('is covered for an hour after the first start, and not a millisecond longer', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      const first = await startNext(store);
      await store.tasks.settle(settlementOf(first.run, 'retry_scheduled'));
      clock.advance(retryCoverMs - 1);
      const second = await startNext(store);
      expect(second.ack.firstStartedAt).toBe(first.ack.firstStartedAt);
      await store.tasks.settle(settlementOf(second.run, 'retry_scheduled'));
      clock.advance(1);
      expect(await begin((await claimNext()).runId)).toBeNull();
    });

    it('is refused when the acknowledgement was revoked after the claim', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = await claimNext();
      await store.tasks.recordFailure(queued.id, newAnnealId(queued.id, 1), failure, jo);
      expect(await begin(claim.runId)).toBeNull();
      expect(await store.tasks.runs(queued.id)).toEqual([]);
    });

    it('is refused while the home is paused, also by another process since the claim: the task waits in nobody’s hands', async () => {
      const { store } = under;
      const other = await under.connect();
      const queued = await queuedTask(store);
      const claim = await claimNext();
      await other.tasks.setPaused(true, jo);
      expect(await begin(claim.runId)).toBeNull();
      expect(await store.tasks.leases()).toEqual([]);
      expect(await store.tasks.runs(queued.id)).toEqual([]);
      expect(await store.tasks.get(queued.id)).toMatchObject({ status: 'queued', attempts: 0, runId: null });
      expect(await store.people.ack(must(queued.ackId))).toMatchObject({ firstStartedAt: null, revokedAt: null });
      await other.tasks.setPaused(false, jo);
      expect(await begin(claim.runId)).toBeNull();
      expect((await startNext(store)).task).toMatchObject({ id: queued.id, attempts: 1 });
    });

    it('is refused where an acknowledgement is wanted and there is none', async () => {
      const { store } = under;
      const { task } = await store.tasks.create(newTask({ status: 'queued' }), model);
      const claim = await claimNext();
      expect(await begin(claim.runId)).toBeNull();
      expect(await begin(claim.runId, ackOf(task, await store.now(), { assurance: 'agent' }))).toBeNull();
      expect(await store.people.acks(task.id)).toEqual([]);
    });

    it('writes the acknowledgement of a task that wants none, for exactly its binding', async () => {
      const { store, clock } = under;
      const { task } = await store.tasks.create(trustedTask(), model);
      const claim = await claimNext();
      expect(claim.ack).toBeNull();
      expect(await begin(claim.runId, ackOf({ id: task.id, pins: pinsOf('two') }, clock.now()))).toBeNull();
      const own = ackOf(task, clock.now(), { assurance: 'agent' });
      expect(await begin(claim.runId, own)).toMatchObject({
        task: { ackId: own.id, assurance: 'agent' },
        ack: { ...own, firstStartedAt: clock.now(), revokedAt: null, spentAt: null },
      });
    });

    it('writes a fresh one where none is wanted and the former no longer covers a retry', async () => {
      const { store, clock } = under;
      await store.tasks.create(trustedTask(), model);
      const first = await startNext(store);
      await store.tasks.settle(settlementOf(first.run, 'retry_scheduled'));
      clock.advance(retryCoverMs);
      const claim = await claimNext();
      expect(await begin(claim.runId)).toBeNull();
      const fresh = ackOf(first.task, clock.now(), { assurance: 'agent' });
      expect(await begin(claim.runId, fresh)).toMatchObject({
        task: { ackId: fresh.id },
        ack: { firstStartedAt: clock.now() },
      });
    });

    it('uses that same acknowledgement for its retries', async () => {
      const { store } = under;
      await store.tasks.create(trustedTask(), model);
      const first = await startNext(store);
      await store.tasks.settle(settlementOf(first.run, 'retry_scheduled'));
      const second = await startNext(store);
      expect(second.claim.ack?.id).toBe(first.ack.id);
      expect(await store.people.acks(first.task.id)).toHaveLength(1);
    });
  });

  describe('a run', () => {
    it('notes its process while its lease is held', async () => {
      const { store } = under;
      await queuedTask(store);
      const { run } = await startNext(store);
      expect(await store.tasks.spawned(run.id, 4711, '123456')).toBe(true);
      expect(await store.tasks.run(run.id)).toMatchObject({ pid: 4711, pidStart: '123456' });
      expect(await store.tasks.spawned('run_nobody_has', 1, null)).toBe(false);
      await store.tasks.settle(settlementOf(run, 'succeeded'));
      expect(await store.tasks.spawned(run.id, 4712, null)).toBe(false);
      expect(await store.tasks.run('run_nobody_has')).toBeNull();
    });

    it('is settled once, with everything that it came to', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      const { run, task } = await startNext(store);
      clock.advance(1500);
      const settlement = settlementOf(run, 'succeeded', { result: { made: [1, null] }, scriptChangedTo: 'changed' });
      const settled = must(await store.tasks.settle(settlement));
      expect(settled).toMatchObject({
        status: 'succeeded',
        outcome: 'succeeded',
        result: { made: [1, null] },
        runId: null,
        finishedAt: clock.now(),
      });
      expect(await store.tasks.runs(task.id)).toMatchObject([
        { outcome: 'succeeded', exitCode: 0, finishedAt: clock.now() },
      ]);
      expect((await store.people.ack(must(settled.ackId)))?.spentAt).toBe(clock.now());
      expect((await store.ledger.events({ taskId: task.id, limit: 10 })).at(-1)?.data).toMatchObject({
        run_id: run.id,
        outcome: 'succeeded',
        script_changed_to: 'changed',
      });
      expect(await store.tasks.settle(settlement)).toBeNull();
      expect(await store.tasks.settle(settlementOf(run, 'failed'))).toBeNull();
      expect(await store.tasks.get(task.id)).toEqual(settled);
    });

    it('is settled once also when two connections try at the same time', async () => {
      const { store } = under;
      const other = await under.connect();
      await queuedTask(store);
      const { run, task } = await startNext(store);
      const settled = await Promise.all([
        store.tasks.settle(settlementOf(run, 'succeeded')),
        other.tasks.settle(settlementOf(run, 'failed')),
      ]);
      expect(settled.filter((answer) => answer !== null)).toHaveLength(1);
      expect(await store.tasks.get(task.id)).toEqual(settled.find((answer) => answer !== null));
    });

    it('is not settled by another process, nor before it has begun', async () => {
      const { store } = under;
      await queuedTask(store);
      const claim = await claimNext();
      const notBegun = { id: claim.runId, taskId: claim.task.id, processId: worker.processId };
      expect(await store.tasks.settle(settlementOf(notBegun, 'cancelled'))).toBeNull();
      expect(await store.tasks.settle(settlementOf(notBegun, 'succeeded'))).toBeNull();
      const run = must(await begin(claim.runId)).run;
      expect(await store.tasks.settle(settlementOf({ ...run, processId: otherWorker.processId }, 'failed'))).toBeNull();
      expect(await store.tasks.settle(settlementOf(run, 'succeeded'))).not.toBeNull();
    });

    it('keeps the acknowledgement unspent for a retry, and spends it when the task settles', async () => {
      const { store } = under;
      const { ackId } = await queuedTask(store);
      const first = await startNext(store);
      await store.tasks.settle(settlementOf(first.run, 'retry_scheduled'));
      expect((await store.people.ack(must(ackId)))?.spentAt).toBeNull();
      const second = await startNext(store);
      await store.tasks.settle(settlementOf(second.run, 'failed'));
      expect((await store.people.ack(must(ackId)))?.spentAt).not.toBeNull();
      expect((await store.tasks.runs(first.task.id)).map(({ attempt, outcome }) => [attempt, outcome])).toEqual([
        [1, 'failed'],
        [2, 'failed'],
      ]);
    });

    it('that failed leaves a failure, and a bundle where one is opened', async () => {
      const { store, clock } = under;
      await queuedTask(store);
      const first = await startNext(store);
      await store.tasks.settle(settlementOf(first.run, 'retry_scheduled'));
      expect(await store.ledger.anneals({ limit: 10 })).toEqual({ anneals: [], nextCursor: null });
      const second = await startNext(store);
      const aid = newAnnealId(first.task.id, clock.now());
      const settled = must(await store.tasks.settle(settlementOf(second.run, 'anneal_opened', { aid })));
      expect(settled).toMatchObject({ status: 'needs_anneal', aid, statusReason: 'gave up' });
      const row = must(await store.ledger.anneal(aid));
      expect(row).toMatchObject({ status: 'open', openedAt: clock.now(), closedAt: null });
      expect(row.failure).toMatchObject({
        ...failure,
        taskId: first.task.id,
        runId: second.run.id,
        outcome: 'failed',
        exitCode: 1,
        attempts: 2,
        pins: { directiveSha256: settled.pins.directiveSha256, filesSha256: null },
      });
      expect(await store.ledger.lastFailure(first.task.id)).toEqual(row.failure);
      expect(await store.ledger.failedPayload(row.failure.id)).toEqual({ name: 'one' });
      expect(await store.ledger.failuresLike(failure.fingerprint, 10)).toHaveLength(2);
    });

    it('that heals a task names the bundle that did', async () => {
      const { store } = under;
      await store.tasks.create(trustedTask(), model);
      const first = await startNext(store);
      const { aid, pins, policy, payloadJson } = must(
        await store.tasks.settle(settlementOf(first.run, 'anneal_opened')),
      );
      const work = { pins, policy, payloadJson, secretPaths: [] };
      await store.tasks.repin(
        {
          taskId: first.task.id,
          move: 'anneal_completed',
          to: 'queued',
          work,
          reason: null,
          runId: null,
          note: 'mended',
        },
        jo,
      );
      const second = await startNext(store);
      await store.tasks.settle(settlementOf(second.run, 'succeeded'));
      const events = await store.ledger.events({ taskId: first.task.id, limit: 20 });
      expect(events.find(({ type }) => type === 'anneal_completed')?.data).toMatchObject({ aid, note: 'mended' });
      expect(events.at(-1)?.data).toMatchObject({ healed_by: aid });
    });

    it('that succeeded is the last success of its directive, with secret values masked', async () => {
      const { store, clock } = under;
      expect(await store.tasks.lastSuccess('directive-one')).toBeNull();
      const payloads = ['{"n":1}', '{"key":"hush","n":2}'];
      for (const payloadJson of payloads) {
        await queuedTask(store, { payloadJson, secretPaths: ['/key'] });
        await store.tasks.settle(settlementOf((await startNext(store)).run, 'succeeded'));
        clock.advance(1000);
      }
      await queuedTask(store);
      await store.tasks.settle(settlementOf((await startNext(store)).run, 'failed'));
      expect(await store.tasks.lastSuccess('directive-one')).toMatchObject({
        run: { outcome: 'succeeded' },
        payload: { key: expect.not.stringContaining('hush'), n: 2 },
      });
    });

    it('keeps progress as a hint while it runs', async () => {
      const { store } = under;
      await queuedTask(store);
      const { run, task } = await startNext(store);
      await store.logs.progress(run.id, 42.5, 'half way');
      expect(await store.tasks.get(task.id)).toMatchObject({ progress: 42.5, progressText: 'half way' });
      await store.tasks.settle(settlementOf(run, 'retry_scheduled'));
      await store.logs.progress(run.id, 99, 'too late');
      expect(await store.tasks.get(task.id)).toMatchObject({ progress: 42.5 });
      expect((await startNext(store)).task).toMatchObject({ progress: null, progressText: null });
    });
  });

  describe('a lease', () => {
    const leaseOf = async ({ id }: Pick<Task, 'id'>) =>
      must((await under.store.tasks.leases()).find(({ taskId }) => taskId === id));

    it('beats with each heartbeat of its holder', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const { run } = await startNext(store);
      const before = await leaseOf(queued);
      expect(await store.tasks.heartbeat(worker.processId, [run.id])).toEqual({ lost: [], cancelled: [] });
      expect((await leaseOf(queued)).beat).toBeGreaterThan(before.beat);
    });

    it('is reported lost to another process, to an unknown run, and after it was settled', async () => {
      const { store } = under;
      await queuedTask(store);
      const { run } = await startNext(store);
      expect((await store.tasks.heartbeat(otherWorker.processId, [run.id, 'run_nobody_has'])).lost).toEqual([
        run.id,
        'run_nobody_has',
      ]);
      await store.tasks.settle(settlementOf(run, 'succeeded'));
      expect((await store.tasks.heartbeat(worker.processId, [run.id])).lost).toEqual([run.id]);
    });

    it('says when its task is asked to stop', async () => {
      const { store } = under;
      const { id } = await queuedTask(store);
      const { run } = await startNext(store);
      await store.tasks.cancel(id, jo, 'enough');
      expect(await store.tasks.heartbeat(worker.processId, [run.id])).toEqual({ lost: [], cancelled: [run.id] });
    });

    it('is seized only while its beat stands still, and by one', async () => {
      const { store } = under;
      const other = await under.connect();
      const queued = await queuedTask(store);
      const { run } = await startNext(store);
      const { beat } = await leaseOf(queued);
      await store.tasks.heartbeat(worker.processId, [run.id]);
      expect(await store.tasks.seize(run.id, beat, otherWorker)).toBe(false);
      const still = (await leaseOf(queued)).beat;
      const third = { processId: 'proc_three', leaseMs: 1000 };
      const seized = await Promise.all([
        store.tasks.seize(run.id, still, otherWorker),
        other.tasks.seize(run.id, still, third),
      ]);
      expect(seized.filter(Boolean)).toHaveLength(1);
    });

    it('that was seized is lost to its former holder in every way', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const { run } = await startNext(store);
      expect(await store.tasks.seize(run.id, (await leaseOf(queued)).beat, otherWorker)).toBe(true);
      expect((await store.tasks.heartbeat(worker.processId, [run.id])).lost).toEqual([run.id]);
      expect(await store.tasks.spawned(run.id, 4711, null)).toBe(false);
      expect(await store.tasks.settle(settlementOf(run, 'succeeded'))).toBeNull();
      const byOther = { ...run, processId: otherWorker.processId };
      expect(
        await store.tasks.settle(settlementOf(byOther, 'anneal_opened', { outcome: 'interrupted' })),
      ).toMatchObject({
        status: 'needs_anneal',
        outcome: 'interrupted',
      });
    });

    it('that was seized before the run began cannot begin it any more', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = await claimNext();
      await store.tasks.seize(claim.runId, (await leaseOf(queued)).beat, otherWorker);
      expect(await begin(claim.runId)).toBeNull();
      await store.tasks.release(claim.runId);
      expect((await startNext(store, otherWorker)).task.id).toBe(queued.id);
    });
  });
}
