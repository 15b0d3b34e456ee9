import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import type { JsonObject } from '../../src/tasks/outcome.js';
import type { Caller, Task } from '../../src/tasks/task.js';
import { acknowledge, createTask, verifyAudit } from '../../src/tools/index.js';
import {
  beginApproval,
  beginEnrolment,
  type Ceremony,
  finishApproval,
  finishEnrolment,
} from '../../src/tools/passkeys.js';
import { createPasskey, type Passkey, type Ways } from '../helpers/authenticator.js';
import { callers, createTestApp, createTestClock, helloHome, type TestApp } from '../helpers/test-app.js';

const party = { rpId: 'doe.localhost', origin: 'http://doe.localhost:3001' };

const person = (name: string): Caller => ({
  principal: 'operator',
  channel: 'page',
  keyId: `key-${name}`,
  person: name,
});

const home = (frontMatter: string) => ({ ...helloHome, 'directives/hello.md': `---\n${frontMatter}\n---\nHello.\n` });

const challengeIn = (options: JsonObject | null) => String(options?.challenge);

/** Enrols a passkey of `name`; past the first one with the touch of `voucher`. */
async function enrol({ dispatcher }: TestApp, name: string, voucher?: Passkey): Promise<Passkey> {
  const passkey = createPasskey();
  const call = { caller: person(name) };
  const { nonce, creation, request } = await beginEnrolment(dispatcher, party, call);
  await finishEnrolment(dispatcher, {
    party,
    call,
    registration: passkey.create(party, challengeIn(creation)),
    touch: { nonce, ...(voucher === undefined ? {} : { assertion: voucher.get(party, challengeIn(request)) }) },
  });
  return passkey;
}

const waiting = async (app: TestApp, task_id = 'one'): Promise<Task> => {
  await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'model', task_id }, callers.agent);
  return (await app.dispatcher.store.tasks.get(task_id)) as Task;
};

const begin = (app: TestApp, task: Task, name = 'jo') =>
  beginApproval(app.dispatcher, task, party, { caller: person(name) });

interface Answer extends Ways {
  name?: string;
  ceremony?: Ceremony;
  at?: typeof party;
}

async function approve(
  app: TestApp,
  task: Task,
  passkey: Passkey,
  { name = 'jo', ceremony, at = party, ...ways }: Answer = {},
) {
  const { nonce, request } = ceremony ?? (await begin(app, task, name));
  const call = { caller: person(name) };
  const touch = { nonce, assertion: passkey.get(party, challengeIn(request), ways) };
  const evidence = await finishApproval(app.dispatcher, task, { party: at, touch, call });
  const input = { task_id: task.id, actor_id: name, binding: task.pins.binding };
  return app.call(acknowledge, input, call.caller, { evidence });
}

const refusals = async (app: TestApp) =>
  (await app.dispatcher.store.ledger.changes(0, 1000)).filter(({ type }) => type === 'passkey_refused').length;

test('a touch approves, and its consent can be proven again later', async () => {
  const app = await createTestApp({ files: home('ack: passkey'), noWorker: true });
  const passkey = await enrol(app, 'jo');
  expect(await approve(app, await waiting(app), passkey)).toMatchObject({ status: 'queued', assurance: 'passkey' });
  expect(await app.call(verifyAudit, {})).toMatchObject({ intact: true });
});

test.each<[string, Ways]>([
  ['without user verification', { verified: false }],
  ['made at another origin', { origin: 'http://doe.localhost:3002' }],
  ['with a counter that stood still', { counter: 0 }],
])('a touch %s is refused and audited', async (_name, ways) => {
  const app = await createTestApp({ files: home('ack: passkey'), noWorker: true });
  const passkey = await enrol(app, 'jo');
  await approve(app, await waiting(app, 'before'), passkey);
  const task = await waiting(app);
  await expect(approve(app, task, passkey, ways)).rejects.toMatchObject({ code: 'passkey_refused' });
  expect(await refusals(app)).toBe(1);
  expect((await app.dispatcher.store.tasks.get('one'))?.status).toBe('awaiting_ack');
});

test.each<[string, Ways]>([
  ['without user verification', { verified: false }],
  ['made at another origin', { origin: 'http://doe.localhost:3002' }],
])('an enrolment %s is refused and audited', async (_name, ways) => {
  const app = await createTestApp({ noWorker: true });
  const call = { caller: person('jo') };
  const { nonce, creation } = await beginEnrolment(app.dispatcher, party, call);
  const registration = createPasskey().create(party, challengeIn(creation), ways);
  await expect(finishEnrolment(app.dispatcher, { party, call, registration, touch: { nonce } })).rejects.toMatchObject({
    code: 'passkey_refused',
  });
  expect(await refusals(app)).toBe(1);
  expect(await app.dispatcher.store.people.credentials()).toEqual([]);
});

test('an enrolment counts once, and only for the person who began it', async () => {
  const app = await createTestApp({ noWorker: true });
  const passkey = createPasskey();
  const finish = async ({ nonce, creation }: Ceremony, name: string) =>
    finishEnrolment(app.dispatcher, {
      party,
      call: { caller: person(name) },
      registration: passkey.create(party, challengeIn(creation)),
      touch: { nonce },
    });
  const ofJo = await beginEnrolment(app.dispatcher, party, { caller: person('jo') });
  await expect(finish(ofJo, 'tom')).rejects.toMatchObject({ code: 'passkey_refused' });
  await expect(finish(ofJo, 'jo')).rejects.toMatchObject({ code: 'passkey_refused' });
  await finish(await beginEnrolment(app.dispatcher, party, { caller: person('jo') }), 'jo');
  expect(await refusals(app)).toBe(2);
});

test('a challenge counts once, for its task, in its session, for five minutes', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ files: home('ack: passkey'), noWorker: true, clock });
  const passkey = await enrol(app, 'jo');
  const one = await waiting(app, 'one');
  const two = await waiting(app, 'two');
  const refused = { code: 'passkey_refused' };
  const ofOne = await begin(app, one);
  await expect(approve(app, two, passkey, { ceremony: ofOne })).rejects.toMatchObject(refused);
  await expect(approve(app, one, passkey, { ceremony: ofOne })).rejects.toMatchObject(refused);
  await expect(
    approve(app, one, passkey, { ceremony: await begin(app, one, 'jo'), name: 'tom' }),
  ).rejects.toMatchObject(refused);
  const late = await begin(app, one);
  clock.advance(5 * 60_000);
  await expect(approve(app, one, passkey, { ceremony: late })).rejects.toMatchObject(refused);
  expect(await approve(app, one, passkey)).toMatchObject({ status: 'queued' });
});

test('a passkey of nobody here, and one under another name of the page, are refused', async () => {
  const app = await createTestApp({ files: home('ack: passkey'), noWorker: true });
  const passkey = await enrol(app, 'jo');
  const task = await waiting(app);
  await expect(approve(app, task, createPasskey())).rejects.toMatchObject({ code: 'passkey_refused' });
  const elsewhere = { rpId: 'doe.example.com', origin: 'https://doe.example.com' };
  await expect(approve(app, task, passkey, { at: elsewhere })).rejects.toMatchObject({ code: 'passkey_refused' });
  await expect(beginApproval(app.dispatcher, task, elsewhere, { caller: person('jo') })).rejects.toMatchObject({
    code: 'passkey_refused',
  });
});

test('past the first one a passkey is let in only by a touch of an enrolled one, and never by an agent', async () => {
  const app = await createTestApp({ noWorker: true });
  const first = await enrol(app, 'jo');
  await expect(enrol(app, 'tom')).rejects.toMatchObject({ code: 'passkey_refused' });
  await expect(enrol(app, 'tom', createPasskey())).rejects.toMatchObject({ code: 'passkey_refused' });
  await enrol(app, 'tom', first);
  const credentials = await app.dispatcher.store.people.credentials();
  expect(credentials.map(({ owner, vouchedBy }) => [owner, vouchedBy])).toEqual([
    ['jo', null],
    ['tom', first.id],
  ]);
  await expect(beginEnrolment(app.dispatcher, party, { caller: callers.agent })).rejects.toMatchObject({
    code: 'not_allowed',
  });
});

test('a quorum counts the owners of passkeys, each once, and never a name that is given', async () => {
  const app = await createTestApp({ files: home('quorum: 2'), noWorker: true });
  const jo = await enrol(app, 'jo');
  const tom = await enrol(app, 'tom', jo);
  const task = await waiting(app);
  expect(await approve(app, task, jo)).toMatchObject({ status: 'awaiting_ack', ack_id: null });
  expect(await approve(app, task, jo, { name: 'tom' })).toMatchObject({ status: 'awaiting_ack', ack_id: null });
  expect(await approve(app, task, tom, { name: 'tom' })).toMatchObject({ status: 'queued', assurance: 'passkey' });
});

test('consents to what was there before do not count for what is there now', async () => {
  const app = await createTestApp({ files: home('quorum: 2'), noWorker: true });
  const jo = await enrol(app, 'jo');
  const tom = await enrol(app, 'tom', jo);
  await approve(app, await waiting(app), jo);
  app.write({ 'execution/hello.sh': 'echo other\n' });
  const old = (await app.dispatcher.store.tasks.get('one')) as Task;
  await expect(approve(app, old, tom, { name: 'tom' })).rejects.toMatchObject({ code: 'changed_since_shown' });
  const now = (await app.dispatcher.store.tasks.get('one')) as Task;
  expect(await approve(app, now, tom, { name: 'tom' })).toMatchObject({ status: 'awaiting_ack' });
  expect(await approve(app, now, jo)).toMatchObject({ status: 'queued' });
});

test('only the passkeys of approvers count', async () => {
  const app = await createTestApp({ files: home('approvers: [tom]'), noWorker: true });
  const jo = await enrol(app, 'jo');
  const tom = await enrol(app, 'tom', jo);
  const task = await waiting(app);
  await expect(approve(app, task, jo)).rejects.toMatchObject({ code: 'not_allowed' });
  expect(await approve(app, task, tom, { name: 'tom' })).toMatchObject({ status: 'queued' });
});

test('a consent that was made up, or moved to another task, is found by the audit', async () => {
  const app = await createTestApp({ files: home('ack: passkey'), noWorker: true });
  const passkey = await enrol(app, 'jo');
  await approve(app, await waiting(app, 'one'), passkey);
  await approve(app, await waiting(app, 'two'), passkey);
  const db = new Database(join(app.home, 'db.sqlite'));
  db.exec("UPDATE consents SET covered = json_set(covered, '$.script', 'other') WHERE task_id = 'one'");
  db.exec("DELETE FROM consents WHERE task_id = 'two'");
  db.close();
  const { intact, faults } = await app.call(verifyAudit, {});
  expect(intact).toBe(false);
  expect(faults.map(({ kind, task_id }) => [kind, task_id])).toEqual([
    ['consent_unproven', 'one'],
    ['consent_unproven', 'two'],
  ]);
});
