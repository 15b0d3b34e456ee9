// The audit trail as operators read it, and nobody else.
import { expect, it } from 'vitest';
import { acknowledge, cancelTask, createTask, listAudit, retryTask, verifyAudit } from '../../src/tools/index.js';
import { callers, createTestApp } from '../helpers/test-app.js';

const threeTasks = async () => {
  const app = await createTestApp({ start: false });
  for (const task_id of ['a', 'b', 'c'])
    await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id });
  return app;
};

it('shows the newest events in their order, with who did what by which way', async () => {
  const app = await threeTasks();
  const { events, next_after } = await app.call(listAudit, { limit: 2 });
  expect(events).toMatchObject([
    {
      task_id: 'b',
      type: 'created',
      from: null,
      to: 'awaiting_ack',
      actor_id: 'jo',
      principal: 'operator',
      channel: 'http',
      key_id: 'op',
    },
    { task_id: 'c', type: 'created' },
  ]);
  expect(next_after).toBeNull();
});

it('names the person of the key beside whatever name the caller gave itself', async () => {
  const app = await createTestApp({ start: false });
  const create = (actor_id: string, task_id: string) =>
    app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id, task_id });
  await create('mallory', 'a');
  await create('jo', 'b');
  await app.call(acknowledge, { task_id: 'a', actor_id: 'mallory' });
  const { events } = await app.call(listAudit, {});
  expect(events.map(({ type, actor_id, person }) => [type, actor_id, person])).toEqual([
    ['created', 'mallory', 'jo'],
    ['created', 'jo', null],
    ['acknowledged', 'mallory', 'jo'],
  ]);
  expect((await app.call(verifyAudit, {})).intact).toBe(true);
});

it('pages from any event on, and shows one task’s alone', async () => {
  const app = await threeTasks();
  const first = await app.call(listAudit, { after: 0, limit: 2 });
  expect(first.events.map(({ task_id }) => task_id)).toEqual(['a', 'b']);
  const rest = await app.call(listAudit, { after: first.next_after ?? -1, limit: 2 });
  expect([rest.events.map(({ task_id }) => task_id), rest.next_after]).toEqual([['c'], null]);
  const { events } = await app.call(listAudit, { task_id: 'b' });
  expect(events.map(({ task_id }) => task_id)).toEqual(['b']);
});

it('says whether the trail is intact', async () => {
  const app = await threeTasks();
  await app.dispatcher.store.ledger.seal();
  expect(await app.call(verifyAudit, {})).toEqual({
    intact: true,
    events: 3,
    seals: 1,
    sealed_up_to: 3,
    seal_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    faults: [],
  });
});

it('finds a seal that was kept elsewhere, and says when it is not there any more', async () => {
  const app = await threeTasks();
  const seal = (await app.dispatcher.store.ledger.seal())?.hash;
  await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id: 'd' });
  await app.dispatcher.store.ledger.seal();
  expect(await app.call(verifyAudit, { seal })).toMatchObject({ intact: true, seals: 2 });
  const other = 'f'.repeat(64);
  expect(await app.call(verifyAudit, { seal: other })).toMatchObject({
    intact: false,
    faults: [{ kind: 'seal_missing', message: expect.stringContaining(other) }],
  });
  await expect(app.call(verifyAudit, { seal: 'not a hash' })).rejects.toMatchObject({ code: 'invalid_input' });
});

it('is refused to models and agent keys', async () => {
  const app = await createTestApp({ start: false });
  for (const caller of [callers.agent, callers.stdio, { ...callers.operator, channel: 'mcp' } as const]) {
    await expect(app.call(listAudit, {}, caller)).rejects.toMatchObject({ code: 'not_allowed' });
    await expect(app.call(verifyAudit, {}, caller)).rejects.toMatchObject({ code: 'not_allowed' });
  }
});

it('is there over HTTP for an operator key', async () => {
  const app = await createTestApp();
  await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'jo', task_id: 'a' });
  const listed = await app.request('/audit?task_id=a&after=0&limit=1');
  expect([listed.status, await listed.json()]).toEqual([
    200,
    { ok: true, events: [expect.objectContaining({ task_id: 'a' })], next_after: expect.any(Number) },
  ]);
  expect(await (await app.request('/audit/verify')).json()).toMatchObject({ ok: true, intact: true });
  expect((await app.request('/audit', { key: 'agent-key-for-tests-0123456789abcdefghij' })).status).toBe(403);
  expect((await app.request('/audit', { key: null })).status).toBe(401);
});

it('has who tried to acknowledge or refuse with too weak a word, once for each key and round', async () => {
  const app = await threeTasks();
  const tryAll = async () => {
    for (const caller of [callers.agent, callers.stdio])
      for (const decision of ['approve', 'approve', 'reject', 'reject'] as const)
        await expect(app.call(acknowledge, { task_id: 'a', actor_id: 'eve', decision }, caller)).rejects.toMatchObject({
          code: 'not_allowed',
        });
  };
  await expect(app.call(acknowledge, { task_id: 'a', actor_id: 'eve' }, callers.stdio)).rejects.toThrow('needs');
  // That was a question to a person: nobody refused anything.
  expect((await app.call(listAudit, { task_id: 'a' })).events).toHaveLength(1);
  await tryAll();
  const types = async () =>
    (await app.call(listAudit, { task_id: 'a' })).events.map(({ type, key_id, channel }) => [type, key_id, channel]);
  const refusals = [
    ['ack_refused', 'ag', 'http'],
    ['ack_refused', null, 'stdio'],
  ];
  expect((await types()).slice(1)).toEqual(refusals);
  await app.call(cancelTask, { task_id: 'a' });
  await app.call(retryTask, { task_id: 'a' });
  await tryAll();
  expect((await types()).slice(-2)).toEqual(refusals);
  expect(await app.call(verifyAudit, {})).toMatchObject({ intact: true });
});
