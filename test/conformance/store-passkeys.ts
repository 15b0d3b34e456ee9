// Passkeys and consents: who is let in, what counts on, what is kept.
import { describe, expect, it } from 'vitest';
import type { By } from '../../src/tasks/task.js';
import { newTask } from '../helpers/store-fixtures.js';
import type { StoreUnderTest } from './store.js';

const jo: By = { actorId: 'jo', principal: 'operator', channel: 'page', keyId: 'key-jo' };
const first = {
  id: 'cred-1',
  owner: 'jo',
  rpId: 'doe.localhost',
  publicKey: 'AAAA',
  counter: 0,
  transports: ['internal'],
  vouchedBy: null,
};

export function passkeyConformance(under: StoreUnderTest): void {
  describe('passkeys', () => {
    it('let the first one in alone, once, and every further one by a voucher', async () => {
      const { store, clock } = under;
      const other = await under.connect();
      const both = await Promise.all([
        store.people.addCredential(first, jo),
        other.people.addCredential({ ...first, id: 'cred-2' }, jo),
      ]);
      expect(both.filter(Boolean)).toHaveLength(1);
      const [credential] = await store.people.credentials();
      expect(credential).toMatchObject({ owner: 'jo', createdAt: clock.now(), usedAt: null, transports: ['internal'] });
      expect(await store.people.addCredential({ ...first, id: 'cred-3' }, jo)).toBe(false);
      expect(await store.people.addCredential({ ...first, id: 'cred-3', owner: 'tom', vouchedBy: 'cred-1' }, jo)).toBe(
        true,
      );
      expect(await store.people.addCredential({ ...first, id: 'cred-3', owner: 'eve', vouchedBy: 'cred-1' }, jo)).toBe(
        false,
      );
      const events = await store.ledger.events({ taskId: null, limit: 10 });
      expect(events.map(({ type, data }) => [type, data.owner, data.vouched_by])).toEqual([
        ['passkey_added', 'jo', null],
        ['passkey_added', 'tom', 'cred-1'],
      ]);
    });

    it('use a counter only upward, except for an authenticator that has none', async () => {
      const { store } = under;
      await store.people.addCredential(first, jo);
      const used = (counter: number) => store.people.useCredential('cred-1', counter);
      expect([
        await used(0),
        await used(0),
        await used(5),
        await used(5),
        await used(4),
        await used(0),
        await used(6),
      ]).toEqual([true, true, true, false, false, false, true]);
      expect(await store.people.useCredential('unknown', 1)).toBe(false);
    });

    it('keep each consent with what it covered, and its event in the task’s own chain', async () => {
      const { store, clock } = under;
      await store.people.addCredential(first, jo);
      const task = newTask({ id: 'a' });
      await store.tasks.create(task, jo);
      const consent = {
        taskId: 'a',
        binding: 'b',
        credentialId: 'cred-1',
        owner: 'jo',
        covered: { task: 'a', directive: 'of-a', key_id: 'key-jo' },
        assertion: { id: 'cred-1' },
        origin: 'http://doe.localhost:3001',
      };
      const kept = await store.people.consent({ ...consent, answers: ['yes'] }, jo);
      expect(kept).toMatchObject([consent]);
      expect(await store.people.consents('a')).toEqual(kept);
      expect(await store.people.consents('other')).toEqual([]);
      expect(await store.people.consents()).toEqual(kept);
      expect(await store.people.lastApprovalBy('key-jo', task.pins.directiveId)).toEqual({
        directiveSha256: 'of-a',
        at: clock.now(),
      });
      const [, event] = await store.ledger.events({ taskId: 'a', limit: 10 });
      expect(event).toMatchObject({ type: 'consented', assurance: 'passkey', data: { owner: 'jo', answers: ['yes'] } });
    });
  });
}
