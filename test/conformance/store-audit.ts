// The audit trail over a store's life, and what upkeep leaves of it.
import { describe, expect, it } from 'vitest';
import { besideKey, fileList } from '../../src/queue/contents.js';
import {
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

export function auditConformance(under: StoreUnderTest): void {
  describe('the audit trail', () => {
    it('verifies whole, before and after it is sealed', async () => {
      const { store } = under;
      expect(await store.ledger.verify()).toEqual({ events: 0, seals: 0, sealedUpTo: 0, sealHash: null, faults: [] });
      await taskIn(store, 'succeeded');
      await taskIn(store, 'needs_anneal');
      await store.tasks.setPaused(true, jo);
      const newest = await store.ledger.newestSeq();
      const events = (await store.ledger.events({ limit: 100 })).length;
      expect(await store.ledger.verify()).toMatchObject({ events, seals: 0, faults: [] });
      const seal = must(await store.ledger.seal());
      expect(seal).toMatchObject({ upTo: newest, at: under.clock.now() });
      expect(seal.heads).toHaveLength(3);
      expect(await store.ledger.sealed(seal.hash)).toEqual(seal);
      expect(await store.ledger.sealed('0'.repeat(64))).toBeNull();
      expect(await store.ledger.verify()).toEqual({
        events,
        seals: 1,
        sealedUpTo: newest,
        sealHash: seal.hash,
        faults: [],
      });
    });

    it('is sealed only when something new stands in it', async () => {
      const { store } = under;
      const other = await under.connect();
      expect(await store.ledger.seal()).toBeNull();
      await store.tasks.create(newTask({ id: 'a' }), model);
      const seals = await Promise.all([store.ledger.seal(), other.ledger.seal()]);
      expect(seals.filter((seal) => seal !== null)).toHaveLength(1);
      await store.tasks.cancel('a', jo, 'no');
      expect((await other.ledger.seal())?.heads).toMatchObject([{ taskId: 'a' }]);
      expect(await store.ledger.verify()).toMatchObject({ seals: 2, faults: [] });
    });

    it('chains the events of a task, apart from those of others', async () => {
      const { store } = under;
      await Promise.all([queuedTask(store), queuedTask(store), store.tasks.setPaused(true, jo)]);
      const hashes = (await store.ledger.events({ limit: 100 })).map(({ hash }) => hash);
      expect(new Set(hashes).size).toBe(hashes.length);
      expect(hashes.every((hash) => /^[0-9a-f]{64}$/.test(hash))).toBe(true);
      expect((await store.ledger.verify()).faults).toEqual([]);
    });
  });

  describe('pruning', () => {
    const log = (taskId: string, at: number) =>
      under.store.logs.append([{ taskId, runId: null, stream: 'system', text: 'x', at }]);

    it('removes what settled before the time, and leaves younger and open work', async () => {
      const { store, clock } = under;
      const old = {
        done: await taskIn(store, 'succeeded'),
        failed: await taskIn(store, 'failed'),
        gone: await taskIn(store, 'cancelled'),
      };
      const open = { anneal: await taskIn(store, 'needs_anneal'), waiting: await taskIn(store, 'awaiting_ack') };
      await log(old.done.id, clock.now());
      clock.advance(1000);
      const before = clock.now();
      const young = await taskIn(store, 'succeeded');
      await log(young.id, clock.now());
      expect(await store.prune(before)).toEqual({ tasks: 3, logLines: 1, texts: 0 });
      for (const { id } of Object.values(old)) expect(await store.tasks.get(id)).toBeNull();
      for (const { id } of [...Object.values(open), young]) expect(await store.tasks.get(id)).not.toBeNull();
      expect(await store.people.acks(old.done.id)).toEqual([]);
      expect(await store.ledger.lastFailure(old.failed.id)).toBeNull();
      expect(await store.ledger.anneal(must(open.anneal.aid))).not.toBeNull();
      expect(await store.logs.tail(young.id, 5)).toHaveLength(1);
      expect(await store.prune(before)).toEqual({ tasks: 0, logLines: 0, texts: 0 });
    });

    it('leaves the events, which still verify, also where an id is used again', async () => {
      const { store, clock } = under;
      await store.tasks.create(trustedTask({ id: 'again' }), model);
      await store.tasks.settle(settlementOf((await startNext(store)).run, 'failed'));
      await store.ledger.seal();
      clock.advance(1000);
      await store.prune(clock.now());
      expect((await store.tasks.create(trustedTask({ id: 'again' }), model)).created).toBe(true);
      expect((await store.ledger.events({ taskId: 'again', limit: 10 })).map(({ type }) => type)).toEqual([
        'created',
        'started',
        'failed',
        'created',
      ]);
      await store.ledger.seal();
      expect(await store.ledger.verify()).toMatchObject({ events: 4, seals: 2, faults: [] });
    });

    it('keeps the consents that prove a passkey’s yes, and forgets that they were the last approval', async () => {
      const { store, clock } = under;
      const passkey = {
        id: 'c',
        owner: 'jo',
        rpId: 'o',
        publicKey: 'AAAA',
        counter: 0,
        transports: [],
        vouchedBy: null,
      };
      await store.people.addCredential(passkey, jo);
      const task = newTask({ id: 'agreed' });
      await store.tasks.create(task, jo);
      const covered = { task: 'agreed', directive: 'of-agreed', key_id: 'key-jo' };
      const proof = { binding: 'b', credentialId: 'c', owner: 'jo', covered, assertion: {}, origin: 'http://o' };
      const kept = await store.people.consent({ taskId: 'agreed', ...proof, answers: [] }, jo);
      await store.tasks.cancel('agreed', jo, 'no');
      expect(await store.people.lastApprovalBy('key-jo', task.pins.directiveId)).not.toBeNull();
      clock.advance(1000);
      expect(await store.prune(clock.now())).toMatchObject({ tasks: 1 });
      expect(await store.people.consents()).toEqual(kept);
      expect(await store.people.lastApprovalBy('key-jo', task.pins.directiveId)).toBeNull();
      // Nor is it one of the next task that bears the id.
      clock.advance(1000);
      await store.tasks.create(task, jo);
      expect(await store.people.lastApprovalBy('key-jo', task.pins.directiveId)).toBeNull();
    });

    it('keeps the last success of a directive for comparison', async () => {
      const { store, clock } = under;
      const tasks = [await taskIn(store, 'succeeded'), await taskIn(store, 'succeeded')];
      clock.advance(1000);
      await store.prune(clock.now());
      const last = must(await store.tasks.lastSuccess('directive-one'));
      expect(tasks.map(({ id }) => id)).toContain(last.run.taskId);
      const kept = await Promise.all(tasks.map(({ id }) => store.tasks.runs(id)));
      expect(kept.flat()).toEqual([last.run]);
    });

    it('removes texts that nothing refers to and that nobody pinned of late, with the revisions that they were', async () => {
      const { store, clock } = under;
      const text = (sha256: string) => ({ sha256, kind: 'script' as const, text: sha256 });
      const open = await taskIn(store, 'needs_anneal');
      const { directiveSha256, scriptSha256 } = open.pins;
      const list = besideKey('files that the script can load', scriptSha256);
      const fix = besideKey('fix script', scriptSha256);
      const part = 'a'.repeat(64);
      const needed = [directiveSha256, scriptSha256, fix, part, 'trusted', 'trusted-script'];
      await store.ledger.keep([...needed, 'forgotten', 'pinned-again'].map(text));
      await store.ledger.keep([{ ...text(list), text: fileList({ 'part.sh': part }) }]);
      await store.people.trust([{ kind: 'directive', id: 'd', sha256: 'trusted', scriptSha256: 'trusted-script' }], jo);
      for (const sha256 of ['forgotten', 'trusted'])
        await store.ledger.noteDirective({ sha256, id: 'd', version: 1, title: 'D', taskType: 'd' });
      clock.advance(24 * 60 * 60_000);
      expect(await store.ledger.keep([text('pinned-again'), text('new')])).toEqual(['new']);
      expect(await store.prune(clock.now() - 1000)).toEqual({ tasks: 0, logLines: 0, texts: 1 });
      const kept = [...needed, list, 'pinned-again', 'new'];
      expect(await Promise.all(kept.map((sha256) => store.ledger.content(sha256)))).not.toContain(null);
      expect(await store.ledger.content('forgotten')).toBeNull();
      expect((await store.ledger.revisions('d')).map(({ sha256 }) => sha256)).toEqual(['trusted']);
    });

    it('goes through more than one page of each', async () => {
      const { store, clock } = under;
      await Promise.all(
        Array.from({ length: 450 }, (_, index) => store.tasks.create(newTask({ id: `t${index}` }), model)),
      );
      await Promise.all(Array.from({ length: 450 }, (_, index) => store.tasks.cancel(`t${index}`, jo, 'no')));
      await store.logs.append(
        Array.from({ length: 450 }, () => ({
          taskId: 't0',
          runId: null,
          stream: 'stdout' as const,
          text: '',
          at: clock.now(),
        })),
      );
      clock.advance(1);
      expect(await store.prune(clock.now())).toEqual({ tasks: 450, logLines: 450, texts: 0 });
      expect(await store.ledger.verify()).toMatchObject({ events: 900, faults: [] });
    });
  });
}
