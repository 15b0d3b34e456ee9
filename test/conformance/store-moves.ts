// A task's moves: each one of the table is done from where it is allowed, and refused from everywhere else.
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/queue/store.js';
import { type MoveName, moves, movesFrom, type TaskStatus, taskStatuses } from '../../src/tasks/states.js';
import { newAnnealId, type Task } from '../../src/tasks/task.js';
import {
  ackOf,
  failure,
  jo,
  model,
  must,
  newTask,
  pinsOf,
  policy,
  queuedTask,
  settlementOf,
  startNext,
  taskIn,
  trustedTask,
  worker,
} from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

const newWork = { pins: pinsOf('two'), policy, payloadJson: '{"name":"two"}', secretPaths: [] };

const repinBy =
  (move: 'pinned_anew' | 'ack_void' | 'anneal_completed' | 'retried', to: 'awaiting_ack' | 'queued' = 'awaiting_ack') =>
  (store: Store, task: Task) =>
    store.tasks.repin({ taskId: task.id, move, to, work: newWork, reason: null, runId: task.runId }, jo);

const settleBy =
  (move: 'succeeded' | 'retry_scheduled' | 'failed' | 'anneal_opened') => async (store: Store, task: Task) => {
    const run = (await store.tasks.runs(task.id)).at(-1);
    const claim = run === undefined ? await store.tasks.claim(worker) : null;
    const id = run?.id ?? claim?.runId ?? 'run_nobody_has';
    return store.tasks.settle(settlementOf({ id, taskId: task.id, processId: worker.processId }, move));
  };

/** How a caller asks for each move. Null is the refusal. */
const perform: Record<MoveName, (store: Store, task: Task) => Promise<Task | null>> = {
  acknowledged: async (store, task) => store.tasks.acknowledge(ackOf(task, await store.now()), jo),
  rejected: (store, task) => store.tasks.reject(task.id, jo, 'no'),
  pinned_anew: repinBy('pinned_anew'),
  stale: async (store, task) =>
    (await store.tasks.cancelStale((await store.now()) + 1)).includes(task.id) ? store.tasks.get(task.id) : null,
  ack_void: repinBy('ack_void'),
  async started(store, task) {
    const runId = (await store.tasks.claim(worker))?.runId ?? task.runId ?? 'run_nobody_has';
    const begun = await store.tasks.begin(runId, { processId: worker.processId, host: 'here', ack: null });
    return begun?.task ?? null;
  },
  succeeded: settleBy('succeeded'),
  retry_scheduled: settleBy('retry_scheduled'),
  failed: settleBy('failed'),
  anneal_opened: settleBy('anneal_opened'),
  async cancelled(store, task) {
    const answer = await store.tasks.cancel(task.id, jo, 'not wanted');
    if (answer?.status !== 'running') return answer;
    return store.tasks.settle(
      settlementOf({ id: must(answer.runId), taskId: task.id, processId: worker.processId }, 'cancelled'),
    );
  },
  failure_recorded: (store, task) => store.tasks.recordFailure(task.id, newAnnealId(task.id, 1), failure, jo),
  anneal_completed: repinBy('anneal_completed'),
  anneal_dismissed: (store, task) => store.tasks.dismissAnneal(task.id, jo),
  retried: repinBy('retried'),
};

const withoutLeaseTaken = ({ runId: _, ...task }: Task) => task;

export function moveConformance(under: StoreUnderTest): void {
  describe.each(Object.keys(moves) as MoveName[])('the move %s', (move) => {
    const allowed = movesFrom(move);
    const refused = taskStatuses.filter((status) => !allowed.includes(status));

    it.each(allowed)('is made from %s, with its event', async (from) => {
      const { store } = under;
      const task = await taskIn(store, from);
      const moved = must(await perform[move](store, task));
      expect(moves[move].to as readonly TaskStatus[]).toContain(moved.status);
      expect(await store.tasks.get(task.id)).toEqual(moved);
      const last = (await store.ledger.events({ taskId: task.id, limit: 100 })).at(-1);
      expect(last).toMatchObject({ type: move, from, to: moved.status });
      expect((await store.ledger.verify()).faults).toEqual([]);
    });

    it.each(refused)('is refused from %s, and nothing changes', async (from) => {
      const { store } = under;
      const task = await taskIn(store, from);
      const before = await store.ledger.events({ limit: 100 });
      expect(await perform[move](store, task)).toBeNull();
      expect(withoutLeaseTaken(must(await store.tasks.get(task.id)))).toEqual(withoutLeaseTaken(task));
      expect(await store.ledger.events({ limit: 100 })).toEqual(before);
    });
  });

  describe('a task', () => {
    it('is created once: the same id answers the first task', async () => {
      const { store, connect } = { store: under.store, connect: under.connect };
      const other = await connect();
      const wanted = newTask({ id: 'report-1', payloadJson: '{"first":true}' });
      const answers = await Promise.all([
        store.tasks.create(wanted, model),
        other.tasks.create({ ...wanted, payloadJson: '{"first":false}' }, jo),
        store.tasks.create(wanted, model),
      ]);
      expect(answers.filter(({ created }) => created)).toHaveLength(1);
      expect(new Set(answers.map(({ task }) => task.payloadJson)).size).toBe(1);
      expect(await store.ledger.events({ limit: 10 })).toMatchObject([{ type: 'created', taskId: 'report-1' }]);
    });

    it('keeps everything that it was created with', async () => {
      const { store, clock } = under;
      const wanted = newTask({
        statusReason: 'untrusted',
        priority: -3,
        runAfter: clock.now() + 5000,
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        secretPaths: ['/key'],
        pins: { ...pinsOf('one'), filesSha256: 'f'.repeat(64) },
      });
      const { task } = await store.tasks.create(wanted, model);
      expect(task).toMatchObject({
        ...wanted,
        requestedRunAfter: wanted.runAfter,
        actorId: 'model',
        principal: 'agent',
        channel: 'stdio',
        attempts: 0,
        fixUsed: false,
        ackId: null,
        result: undefined,
        createdAt: clock.now(),
        updatedAt: clock.now(),
        finishedAt: null,
      });
      expect(await store.tasks.get(wanted.id)).toEqual(task);
      expect(await store.tasks.get('nobody')).toBeNull();
    });

    it('is not acknowledged for another binding than it has', async () => {
      const { store } = under;
      const { task } = await store.tasks.create(newTask(), model);
      const ack = ackOf({ id: task.id, pins: pinsOf('two') }, await store.now());
      expect(await store.tasks.acknowledge(ack, jo)).toBeNull();
      expect(await store.people.ack(ack.id)).toBeNull();
      expect(await store.tasks.acknowledge(ackOf({ id: 'nobody', pins: task.pins }, 0), jo)).toBeNull();
    });

    it('is acknowledged once, however many answer at the same time', async () => {
      const { store } = under;
      const other = await under.connect();
      const { task } = await store.tasks.create(newTask(), model);
      const answers = await Promise.all(
        [store, other, store, other].map(async (one) => one.tasks.acknowledge(ackOf(task, await one.now()), jo)),
      );
      expect(answers.filter((answer) => answer !== null)).toHaveLength(1);
      expect(await store.people.acks(task.id)).toHaveLength(1);
    });

    it('that is pinned anew has the new work, and its old acknowledgement is revoked', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const back = must(await repinBy('ack_void')(store, queued));
      expect(back).toMatchObject({ ...newWork, status: 'awaiting_ack', ackId: null, assurance: null });
      expect((await store.people.ack(must(queued.ackId)))?.revokedAt).not.toBeNull();
    });

    it('that cannot be pinned keeps its old pins, with the reason', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const repin = { taskId: queued.id, move: 'ack_void', to: 'awaiting_ack', work: null, runId: null } as const;
      const back = await store.tasks.repin({ ...repin, reason: 'script missing' }, jo);
      expect(back).toMatchObject({ pins: queued.pins, statusReason: 'script missing', status: 'awaiting_ack' });
    });

    it('in a worker’s hands is pinned anew only by the holder of its lease', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = must(await store.tasks.claim(worker));
      const repin = {
        taskId: queued.id,
        move: 'ack_void',
        to: 'awaiting_ack',
        work: newWork,
        reason: 'expired',
      } as const;
      expect(await store.tasks.repin({ ...repin, runId: null }, jo)).toBeNull();
      expect(await store.tasks.repin({ ...repin, runId: 'run_other' }, jo)).toBeNull();
      expect(await store.tasks.repin({ ...repin, runId: claim.runId }, jo)).toMatchObject({ runId: null });
      expect(await store.tasks.leases()).toEqual([]);
    });

    it.each(['retried', 'anneal_completed'] as const)('begins its attempts anew when it is %s', async (move) => {
      const { store } = under;
      const task = await taskIn(store, move === 'retried' ? 'failed' : 'needs_anneal');
      expect(task.attempts).toBe(1);
      expect(await repinBy(move)(store, task)).toMatchObject({
        attempts: 0,
        fixUsed: false,
        outcome: null,
        result: undefined,
        startedAt: null,
        finishedAt: null,
        runAfter: null,
        ackId: null,
      });
    });

    it('goes straight to the queue from its repair where no acknowledgement is wanted, and can run', async () => {
      const { store } = under;
      await store.tasks.create(trustedTask(), model);
      const { run, task } = await startNext(store);
      await store.tasks.settle(settlementOf(run, 'anneal_opened'));
      const work = { ...newWork, policy: { ...policy, requireAck: false } };
      const repin = {
        taskId: task.id,
        move: 'anneal_completed',
        to: 'queued',
        work,
        reason: null,
        runId: null,
      } as const;
      expect(await store.tasks.repin(repin, jo)).toMatchObject({ status: 'queued', attempts: 0 });
      expect((await startNext(store)).task).toMatchObject({ id: task.id, attempts: 1, pins: newWork.pins });
    });

    it('that runs is asked to stop, once, and stays running until its worker settles it', async () => {
      const { store, clock } = under;
      const task = await taskIn(store, 'running');
      expect(await store.tasks.cancel(task.id, jo, 'enough')).toMatchObject({
        status: 'running',
        statusReason: 'enough',
      });
      const asked = clock.now();
      clock.advance(1000);
      expect(await store.tasks.cancel(task.id, model, 'again')).toMatchObject({ cancelRequestedAt: asked });
      const types = (await store.ledger.events({ taskId: task.id, limit: 10 })).map(({ type }) => type);
      expect(types).toEqual(['created', 'acknowledged', 'started', 'cancel_requested']);
    });

    it('that was asked to stop while its script failed by itself is not tried again', async () => {
      const { store } = under;
      const { task, run } = await queuedTask(store).then(() => startNext(store));
      await store.tasks.cancel(task.id, jo, 'enough');
      const settled = must(await store.tasks.settle(settlementOf(run, 'retry_scheduled')));
      expect(settled).toMatchObject({ status: 'cancelled', outcome: 'failed', statusReason: 'enough', runAfter: null });
      expect((await store.people.ack(must(settled.ackId)))?.spentAt).not.toBeNull();
    });

    it('that is cancelled between claim and start takes the lease with it', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const claim = must(await store.tasks.claim(worker));
      expect(await store.tasks.cancel(queued.id, jo, 'no')).toMatchObject({
        status: 'cancelled',
        outcome: 'cancelled',
      });
      expect(await store.tasks.begin(claim.runId, { processId: worker.processId, host: 'here', ack: null })).toBeNull();
      await store.tasks.release(claim.runId);
      expect((await store.tasks.get(queued.id))?.status).toBe('cancelled');
    });

    it('whose failure is recorded from outside opens a bundle and loses its acknowledgement', async () => {
      const { store } = under;
      const queued = await queuedTask(store);
      const aid = newAnnealId(queued.id, 1);
      await store.tasks.recordFailure(queued.id, aid, failure, jo);
      const opened = await store.ledger.anneal(aid);
      expect(opened).toMatchObject({ status: 'open', taskId: queued.id, failure });
      expect(await store.ledger.failedPayload(must(opened).failure.id)).toEqual({ name: 'one' });
      expect((await store.people.ack(must(queued.ackId)))?.revokedAt).not.toBeNull();
      expect(await store.tasks.claim(worker)).toBeNull();
    });

    it('whose failure is recorded from outside keeps how often it was tried there; unsaid, its own attempts', async () => {
      const { store } = under;
      for (const attempts of [3, undefined]) {
        const { id } = await queuedTask(store);
        await store.tasks.recordFailure(id, newAnnealId(id, 1), { ...failure, attempts }, jo);
        expect(await store.ledger.lastFailure(id)).toMatchObject({ attempts: attempts ?? 0 });
      }
    });

    it('closes its bundle as completed or dismissed', async () => {
      const { store } = under;
      const repaired = await taskIn(store, 'needs_anneal');
      await repinBy('anneal_completed')(store, repaired);
      const dismissed = await taskIn(store, 'needs_anneal');
      await store.tasks.dismissAnneal(dismissed.id, jo);
      expect((await store.ledger.anneal(must(repaired.aid)))?.status).toBe('completed');
      expect(await store.ledger.anneal(must(dismissed.aid))).toMatchObject({
        status: 'dismissed',
        closedAt: under.clock.now(),
      });
    });

    it('that awaits too long is cancelled; a younger one is not', async () => {
      const { store, clock } = under;
      const old = await taskIn(store, 'awaiting_ack');
      clock.advance(1000);
      const young = await taskIn(store, 'awaiting_ack');
      expect(await store.tasks.cancelStale(clock.now())).toEqual([old.id]);
      expect(await store.tasks.cancelStale(clock.now())).toEqual([]);
      expect(await store.tasks.get(old.id)).toMatchObject({ status: 'cancelled', finishedAt: clock.now() });
      expect((await store.tasks.get(young.id))?.status).toBe('awaiting_ack');
    });
  });

  it('many tasks that await too long are all cancelled', async () => {
    const { store, clock } = under;
    await Promise.all(
      Array.from({ length: 450 }, (_, index) => store.tasks.create(newTask({ id: `t${index}` }), model)),
    );
    clock.advance(1);
    expect(new Set(await store.tasks.cancelStale(clock.now())).size).toBe(450);
    expect(await store.tasks.counts()).toMatchObject({ awaiting_ack: 0, cancelled: 450 });
  });

  describe('the list of tasks', () => {
    it('pages from newest to oldest and back, without losing or repeating one', async () => {
      const { store } = under;
      const ids = Array.from({ length: 7 }, (_, index) => `report-${index}`);
      for (const id of ids) await store.tasks.create(newTask({ id }), model);
      for (const oldestFirst of [false, true]) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.tasks.list({ limit: 3, cursor, oldestFirst });
          seen.push(...page.tasks.map(({ id }) => id));
          cursor = page.nextCursor ?? undefined;
        } while (cursor !== undefined);
        expect(seen).toEqual(oldestFirst ? ids : ids.toReversed());
      }
    });

    it('filters by status, project and type, and counts by status', async () => {
      const { store } = under;
      await store.tasks.create(newTask({ id: 'a', projectId: 'red' }), model);
      await store.tasks.create(newTask({ id: 'b', projectId: 'blue', taskType: 'import' }), model);
      await store.tasks.create(trustedTask({ id: 'c', projectId: 'blue' }), model);
      const idsOf = async (filter: object) =>
        (await store.tasks.list({ limit: 10, ...filter })).tasks.map(({ id }) => id);
      expect(await idsOf({ status: 'awaiting_ack' })).toEqual(['b', 'a']);
      expect(await idsOf({ projectId: 'blue' })).toEqual(['c', 'b']);
      expect(await idsOf({ projectId: 'blue', taskType: 'import', status: 'awaiting_ack' })).toEqual(['b']);
      expect(await store.tasks.counts()).toMatchObject({ awaiting_ack: 2, queued: 1, running: 0, cancelled: 0 });
      expect(await store.tasks.waiting()).toBe(2);
    });

    it('refuses a cursor that no page of it gave', async () => {
      const { store } = under;
      for (let index = 0; index < 3; index += 1) await taskIn(store, 'awaiting_ack');
      const given = must((await store.tasks.list({ limit: 1 })).nextCursor);
      const oldest = must((await store.tasks.list({ limit: 1, oldestFirst: true })).nextCursor);
      const forged = [
        '',
        'x',
        `${given}A`,
        ` ${given}`,
        oldest,
        Buffer.from('tasks:-1').toString('base64url'),
        '1 OR 1=1',
      ];
      for (const cursor of forged)
        await expect(store.tasks.list({ limit: 1, cursor }), cursor).rejects.toMatchObject({ code: 'invalid_input' });
      await expect(store.ledger.anneals({ limit: 1, cursor: given })).rejects.toMatchObject({ code: 'invalid_input' });
      expect((await store.tasks.list({ limit: 1, cursor: given })).tasks).toHaveLength(1);
    });
  });
}
