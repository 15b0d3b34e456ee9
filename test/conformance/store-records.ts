// Logs, acks, trust, nonces, processes, kept texts and facts; and how news travels.
import { describe, expect, it, onTestFinished } from 'vitest';
import type { NewLogLine, Store } from '../../src/queue/store.js';
import {
  ackOf,
  failure,
  jo,
  model,
  must,
  newTask,
  queuedTask,
  settlementOf,
  startNext,
  taskIn,
  trustedTask,
} from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

/** Resolves at the store's next news. */
export const nextNews = (store: Store): Promise<void> =>
  new Promise((resolve) => {
    const stop = store.watch(() => {
      stop();
      resolve();
    });
    onTestFinished(stop);
  });

export function recordConformance(under: StoreUnderTest): void {
  describe('the log', () => {
    const line = (text: string, overrides: Partial<NewLogLine> = {}): NewLogLine => ({
      taskId: 'a',
      runId: 'run_1',
      stream: 'stdout',
      text,
      at: 1,
      ...overrides,
    });

    it('keeps lines in order, and reads on from any of them', async () => {
      const { store } = under;
      await store.logs.append([line('one'), line('two', { stream: 'stderr' })]);
      await store.logs.append([line('three', { runId: null, stream: 'system' }), line('elsewhere', { taskId: 'b' })]);
      const all = await store.logs.read('a', { limit: 10 });
      expect(all.map(({ text, stream, runId }) => [text, stream, runId])).toEqual([
        ['one', 'stdout', 'run_1'],
        ['two', 'stderr', 'run_1'],
        ['three', 'system', null],
      ]);
      expect((await store.logs.read('a', { after: must(all[0]).id, limit: 1 })).map(({ text }) => text)).toEqual([
        'two',
      ]);
      expect((await store.logs.read('a', { limit: 10, runId: 'run_1' })).map(({ text }) => text)).toEqual([
        'one',
        'two',
      ]);
      expect((await store.logs.tail('a', 2)).map(({ text }) => text)).toEqual(['two', 'three']);
      expect(await store.logs.tail('nobody', 2)).toEqual([]);
    });
  });

  describe('people', () => {
    it('find their acks, oldest first, and what a key last agreed to of a directive', async () => {
      const { store, clock } = under;
      const { id, pins } = await queuedTask(store);
      await store.tasks.repin(
        { taskId: id, move: 'ack_void', to: 'awaiting_ack', work: null, reason: 'old', runId: null },
        jo,
      );
      clock.advance(1000);
      const second = ackOf({ id, pins }, clock.now());
      await store.tasks.acknowledge(second, jo);
      const acks = await store.people.acks(id);
      expect(acks.map(({ issuedAt }) => issuedAt)).toEqual([clock.now() - 1000, clock.now()]);
      expect(acks[1]).toEqual({ ...second, firstStartedAt: null, revokedAt: null, spentAt: null });
      expect(await store.people.lastApprovalBy('key-jo', pins.directiveId)).toEqual({
        directiveSha256: pins.directiveSha256,
        at: clock.now(),
      });
      expect(await store.people.lastApprovalBy('key-other', pins.directiveId)).toBeNull();
      expect(await store.people.ack('ack_nobody_gave')).toBeNull();
    });

    it('trust one exact content, with its script', async () => {
      const { store } = under;
      const item = { kind: 'directive', id: 'hello', sha256: 'a', scriptSha256: 's' } as const;
      const automation = { kind: 'automation', id: 'hello', sha256: 'a', scriptSha256: null } as const;
      expect(await store.people.isTrusted(item)).toBe(false);
      await store.people.trust([item, automation], jo);
      await store.people.trust([item], jo);
      expect(await store.people.isTrusted(item)).toBe(true);
      expect(await store.people.isTrusted(automation)).toBe(true);
      const others = [
        { ...item, sha256: 'b' },
        { ...item, scriptSha256: 't' },
        { ...item, scriptSha256: null },
        { ...item, id: 'x' },
      ];
      for (const other of others) expect(await store.people.isTrusted(other)).toBe(false);
      await store.people.trust([{ ...item, sha256: 'b' }], jo);
      expect(await store.people.lastTrusted('directive', 'hello')).toEqual({ ...item, sha256: 'b' });
      expect(await store.people.lastTrusted('automation', 'other')).toBeNull();
      const events = await store.ledger.events({ taskId: null, limit: 10 });
      expect(events.map(({ type, actorId, data }) => [type, actorId, data.sha256])).toEqual([
        ['trusted', 'jo', 'a'],
        ['trusted', 'jo', 'a'],
        ['trusted', 'jo', 'b'],
      ]);
    });

    it('use a nonce once, whoever asks, for its purpose and in its time', async () => {
      const { store, clock } = under;
      const other = await under.connect();
      const nonce = { id: 'n1', purpose: 'elicit', data: { task: 'a' }, expiresAt: clock.now() + 1000 };
      await store.people.mintNonce(nonce);
      expect(await store.people.nonce('n1', 'elicit')).toEqual(nonce);
      expect(await store.people.consumeNonce('n1', 'sign-in')).toBeNull();
      const taken = await Promise.all(
        [store, other, store, other].map((one) => one.people.consumeNonce('n1', 'elicit')),
      );
      expect(taken.filter((answer) => answer !== null)).toEqual([nonce]);
      expect(await store.people.nonce('n1', 'elicit')).toBeNull();
      await store.people.mintNonce({ ...nonce, id: 'n2', expiresAt: clock.now() + 1000 });
      clock.advance(1000);
      expect(await store.people.nonce('n2', 'elicit')).toBeNull();
      expect(await store.people.consumeNonce('n2', 'elicit')).toBeNull();
    });

    it('find no nonce alive again when the clock is set back', async () => {
      const { store, clock } = under;
      await store.people.mintNonce({ id: 'n', purpose: 'p', data: {}, expiresAt: clock.now() + 1000 });
      clock.advance(1000);
      await store.ledger.record({ taskId: null, type: 'refused', assurance: null, data: {} }, jo);
      clock.jump(-5000);
      expect(await store.people.consumeNonce('n', 'p')).toBeNull();
    });
  });

  describe('the ledger', () => {
    it('tells changes in commit order, to every connection', async () => {
      const { store } = under;
      const other = await under.connect();
      const start = await store.ledger.newestSeq();
      await store.tasks.create(newTask({ id: 'a' }), model);
      await other.tasks.create(newTask({ id: 'b' }), jo);
      await store.tasks.cancel('a', jo, 'no');
      const changes = await other.ledger.changes(start, 10);
      expect(changes.map(({ taskId, type }) => [taskId, type])).toEqual([
        ['a', 'created'],
        ['b', 'created'],
        ['a', 'cancelled'],
      ]);
      expect(changes.map(({ seq }) => seq)).toEqual(changes.map(({ seq }) => seq).sort((one, other) => one - other));
      expect(await store.ledger.changes(must(changes[1]).seq, 1)).toEqual([changes[2]]);
      expect(await store.ledger.newestSeq()).toBe(must(changes[2]).seq);
    });

    it('writes who did it, by what, and how strong', async () => {
      const { store } = under;
      const { id } = await queuedTask(store);
      const [, acknowledged] = await store.ledger.events({ taskId: id, limit: 10 });
      expect(acknowledged).toMatchObject({ ...jo, assurance: 'operator', data: { answers: ['yes'] } });
      await store.ledger.record(
        { taskId: id, type: 'refused', assurance: 'agent', data: { why: 'below client' } },
        model,
      );
      const after = must(acknowledged).seq;
      expect(await store.ledger.events({ taskId: id, after, limit: 10 })).toMatchObject([
        { type: 'refused', ...model, assurance: 'agent', from: null, to: null, data: { why: 'below client' } },
      ]);
    });

    it('knows the living processes until they leave', async () => {
      const { store, clock } = under;
      const process = {
        id: 'p1',
        kind: 'serve',
        host: 'h',
        pid: 1,
        pidStart: '2',
        address: 'http://127.0.0.1:3001',
        worker: 'on',
        version: '1',
      } as const;
      await store.ledger.join(process);
      const [joined] = await store.ledger.processes();
      expect(joined).toMatchObject({ ...process, startedAt: clock.now(), beatAt: clock.now() });
      clock.advance(1000);
      expect(await store.ledger.beat('p1', 'standby')).toBe(true);
      const [beaten] = await store.ledger.processes();
      expect(beaten).toMatchObject({ worker: 'standby', beatAt: clock.now() });
      expect(must(beaten).beat).toBeGreaterThan(must(joined).beat);
      await store.ledger.leave('p1');
      expect(await store.ledger.beat('p1', 'on')).toBe(false);
      expect(await store.ledger.processes()).toEqual([]);
    });

    it('pages bundles by status and task, newest first', async () => {
      const { store } = under;
      const tasks = [
        await taskIn(store, 'needs_anneal'),
        await taskIn(store, 'needs_anneal'),
        await taskIn(store, 'needs_anneal'),
      ];
      await store.tasks.dismissAnneal(must(tasks[1]).id, jo);
      const aids = async (filter: object) =>
        (await store.ledger.anneals({ limit: 10, ...filter })).anneals.map(({ aid }) => aid);
      expect(await aids({})).toEqual(tasks.map(({ aid }) => aid).reverse());
      expect(await aids({ status: 'open' })).toEqual([tasks[2]?.aid, tasks[0]?.aid]);
      expect(await aids({ taskId: tasks[1]?.id })).toEqual([tasks[1]?.aid]);
      const page = await store.ledger.anneals({ limit: 2 });
      const rest = await store.ledger.anneals({ limit: 2, cursor: must(page.nextCursor) });
      expect([page.anneals.length, rest.anneals.map(({ aid }) => aid), rest.nextCursor]).toEqual([
        2,
        [tasks[0]?.aid],
        null,
      ]);
      expect(await store.ledger.anneal('anneal_nobody')).toBeNull();
      expect(await store.ledger.lastFailure('nobody')).toBeNull();
      expect(await store.ledger.countLike(failure.fingerprint)).toEqual({ failures: 3, tasks: 3 });
      expect(await store.ledger.countLike('nothing')).toEqual({ failures: 0, tasks: 0 });
      expect(await store.ledger.failuresLike(failure.fingerprint, 2)).toMatchObject([
        { taskId: tasks[2]?.id },
        { taskId: tasks[1]?.id },
      ]);
    });

    it('keeps a text once, by its hash', async () => {
      const { store } = under;
      await store.ledger.keep([{ sha256: 'h', kind: 'script', text: 'echo' }]);
      await store.ledger.keep([
        { sha256: 'h', kind: 'script', text: 'other' },
        { sha256: 'g', kind: 'directive', text: '' },
      ]);
      expect([await store.ledger.content('h'), await store.ledger.content('g')]).toEqual(['echo', '']);
      expect(await store.ledger.content('nothing')).toBeNull();
      const revision = { sha256: 'h', id: 'hello', version: 1, title: 'Hello', taskType: 'hello' };
      await store.ledger.noteDirective(revision);
      await store.ledger.noteDirective({ ...revision, title: 'Other' });
    });

    it('has one id for a home, and facts that are set once or exchanged knowingly', async () => {
      const { store } = under;
      const other = await under.connect();
      const ids = await Promise.all([store.ledger.homeId(), other.ledger.homeId(), store.ledger.homeId()]);
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).toMatch(/^[0-9a-f]{24}$/);
      expect(await store.ledger.fact('f')).toBeNull();
      expect(await store.ledger.setFact('f', 'new', 'old')).toBe('');
      const first = await Promise.all([store.ledger.setFact('f', 'one'), other.ledger.setFact('f', 'two')]);
      expect(new Set(first).size).toBe(1);
      expect(await store.ledger.setFact('f', 'three', 'not this')).toBe(first[0]);
      expect(await store.ledger.setFact('f', 'three', first[0])).toBe('three');
      expect(await other.ledger.fact('f')).toBe('three');
    });
  });

  describe('news', () => {
    it('of an own move comes with the move', async () => {
      const { store } = under;
      const news = nextNews(store);
      await store.tasks.create(newTask(), model);
      await news;
    });

    it('of another connection’s move comes by itself', async () => {
      const { store } = under;
      const other = await under.connect();
      const news = nextNews(store);
      await other.tasks.create(newTask({ id: 'a' }), model);
      await news;
      expect(await store.tasks.get('a')).not.toBeNull();
    });

    it('does not come of a look that found nothing to do', async () => {
      const { store } = under;
      const told: string[] = [];
      onTestFinished(store.watch(() => told.push('news')));
      await store.tasks.claim({ processId: 'p', leaseMs: 1000 });
      await store.tasks.settle(settlementOf({ id: 'run_none', taskId: 'x', processId: 'p' }, 'failed'));
      await store.tasks.cancelStale(0);
      expect(told).toEqual([]);
      await store.tasks.create(newTask(), model);
      expect(told).toEqual(['news']);
    });

    it('stops when nobody wants it any more', async () => {
      const { store } = under;
      const told: string[] = [];
      const stop = store.watch(() => told.push('stopped one'));
      const news = nextNews(store);
      stop();
      await store.tasks.create(newTask(), model);
      await news;
      expect(told).toEqual([]);
    });
  });

  describe('the time', () => {
    it('goes on after a clock that was ahead, never back, and the wall clock catches up with it', async () => {
      const { store, clock } = under;
      const [hour, day] = [3_600_000, 86_400_000];
      const note = (by = store) => by.ledger.record({ taskId: null, type: 'refused', assurance: null, data: {} }, jo);
      clock.jump(hour);
      await note();
      clock.jump(-hour);
      const ahead = await store.now();
      expect(ahead).toBe(clock.now() + hour);
      clock.advance(day);
      const other = await under.connect();
      expect(await other.now()).toBe(clock.now());
      expect(await store.now()).toBeGreaterThan(ahead + 0.99 * day);
      await note();
      expect(await other.now()).toBe(await store.now());
      clock.advance(50 * day);
      expect([await store.now(), await other.now()]).toEqual([clock.now(), clock.now()]);
    });

    it('is the clock’s, and never before the newest event', async () => {
      const { store, clock } = under;
      expect(await store.now()).toBe(clock.now());
      clock.advance(60 * 60_000);
      const { task } = await store.tasks.create(newTask(), model);
      clock.jump(-60 * 60_000);
      expect(await store.now()).toBe(task.createdAt);
      const { task: later } = await store.tasks.create(newTask(), model);
      expect(later.createdAt).toBe(task.createdAt);
      clock.jump(2 * 60 * 60_000);
      expect(await store.now()).toBe(clock.now());
    });

    it('that jumps ahead and back neither loses nor doubles a run', async () => {
      const { store, clock } = under;
      await store.tasks.create(trustedTask({ id: 'a', runAfter: clock.now() + 1000 }), model);
      clock.jump(60 * 60_000);
      const { run } = await startNext(store);
      clock.jump(-60 * 60_000);
      expect(await store.tasks.claim({ processId: 'p', leaseMs: 1000 })).toBeNull();
      expect(await store.tasks.settle(settlementOf(run, 'succeeded'))).toMatchObject({ status: 'succeeded' });
      expect(await store.tasks.runs('a')).toHaveLength(1);
    });
  });
}
