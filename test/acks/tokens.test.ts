import { createHmac } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import type { Acks } from '../../src/acks/index.js';
import { createAcks } from '../../src/acks/issue.js';
import { assertStrongSecret, deriveKey } from '../../src/acks/keys.js';
import type { Ack } from '../../src/tasks/task.js';
import { refusalOf } from '../helpers/errors.js';

const secret = 'a-secret-for-tests-that-is-long-enough-0123456789';
const newer = 'another-secret-for-tests-long-enough-0123456789ab';
const start = 1_800_000_000_000;
const minute = 60_000;

const ack: Ack = {
  id: 'ack_1',
  taskId: 'task-1',
  pins: {
    directiveId: 'd',
    directiveVersion: 1,
    directiveSha256: 'd'.repeat(64),
    payloadSha256: 'a'.repeat(64),
    filesSha256: null,
    scriptSha256: 'c'.repeat(64),
    binding: 'b'.repeat(64),
  },
  actorId: 'jo',
  principal: 'operator',
  channel: 'http',
  keyId: null,
  assurance: 'operator',
  answers: [],
  issuedAt: start,
  notBefore: start,
  expiresAt: start + 15 * minute,
  firstStartedAt: null,
  revokedAt: null,
  spentAt: null,
};

let acks: Acks;
beforeEach(async () => {
  acks = await createAcks({ secret, previousSecret: null, homeId: 'home1' });
});

const codeOf = async (token: string | undefined, now = start) => (await refusalOf(() => acks.read(token, now))).code;
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const decode = (part: string | undefined) => JSON.parse(Buffer.from(part ?? '', 'base64url').toString()) as object;

/** Signs by hand, so that header and claims can be anything. */
function forge(header: object, claims: object, key: string | Uint8Array = deriveKey(secret, 'token')): string {
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

test('a token says what its ack covers, and the same row gives the same token', async () => {
  const token = await acks.ackToken(ack);
  expect(await acks.ackToken(ack)).toBe(token);
  expect(await acks.read(token, start)).toEqual({
    kind: 'ack',
    ackId: 'ack_1',
    taskId: 'task-1',
    runId: null,
    actorId: 'jo',
    directiveSha256: ack.pins.directiveSha256,
    payloadSha256: ack.pins.payloadSha256,
    scriptSha256: ack.pins.scriptSha256,
    binding: ack.pins.binding,
    expiresAt: ack.expiresAt,
    signedBy: 'current',
  });
});

test('a run token carries its run and ends at its deadline to the millisecond', async () => {
  const token = await acks.runToken(ack, 'run_1', start + 1500);
  expect(await acks.read(token, start + 1499)).toMatchObject({ kind: 'run', runId: 'run_1', expiresAt: start + 1500 });
  expect(await codeOf(token, start + 1500)).toBe('token_expired');
});

test('an ack token holds from its notBefore to its end, also when read before', async () => {
  const token = await acks.ackToken({ ...ack, notBefore: start + minute });
  expect(await codeOf(token, start)).toBe('token_expired');
  expect(await acks.read(token, start + minute)).toBeTruthy();
  expect(await acks.read(token, start + 15 * minute - 1)).toBeTruthy();
  expect(await codeOf(token, start + 15 * minute)).toBe('token_expired');
  expect(await codeOf(token, start)).toBe('token_expired');
});

test.each([undefined, ''])('%j is a missing token', async (token) => {
  expect(await codeOf(token)).toBe('token_missing');
});

test.each(['x', 'a.b.c', '..', 'eyJhbGciOiJIUzI1NiJ9', `${'a'.repeat(9000)}.b.c`, '{"alg":"HS256"}.e30.x'])(
  '%j is malformed',
  async (token) => {
    expect(await codeOf(token)).toBe('token_malformed');
  },
);

test('a token has one spelling: another last character, padding or white space is refused', async () => {
  const token = await acks.ackToken(ack);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (const last of alphabet.replace(token.at(-1) ?? '', ''))
    expect(await codeOf(`${token.slice(0, -1)}${last}`), last).toBe('token_signature');
  for (const added of ['=', ' ', '\n']) {
    expect(await codeOf(`${token}${added}`)).toBe('token_malformed');
    expect(await codeOf(`${token.slice(0, -4)}${added}${token.slice(-4)}`)).toBe('token_malformed');
  }
});

test('a token that was altered, signed with another key, or unsigned is refused', async () => {
  const [header = '', claims = '', signature = ''] = (await acks.ackToken(ack)).split('.');
  const stranger = await createAcks({ secret: newer, previousSecret: null, homeId: 'home1' });
  const neighbour = await createAcks({ secret, previousSecret: null, homeId: 'home2' });
  const forged = [
    `${header}.${encode({ ...decode(claims), sub: 'task-2' })}.${signature}`,
    `${encode({ alg: 'none' })}.${claims}.`,
    `${encode({ ...decode(header), alg: 'none' })}.${claims}.`,
    forge({ ...decode(header), alg: 'HS512' }, decode(claims)),
    forge({ ...decode(header), kid: 'elsewhere' }, decode(claims)),
    forge(decode(header), decode(claims), secret),
    forge(decode(header), decode(claims), ''),
    forge(decode(header), { ...decode(claims), aud: 'doe:integrations' }),
    forge(decode(header), { ...decode(claims), exp: '9999999999' }),
    await stranger.ackToken(ack),
    await neighbour.ackToken(ack),
    await acks.runKey({ taskId: 'task-1', runId: 'run_1', integrations: [] }, start + minute),
  ];
  for (const [index, token] of forged.entries()) {
    const code = await codeOf(token);
    expect(['token_signature', 'token_malformed'], `${index}: ${code}`).toContain(code);
  }
});

test('a run key is no token, and a token no run key', async () => {
  const key = await acks.runKey({ taskId: 'task-1', runId: 'run_1', integrations: ['netlify'] }, start + minute);
  expect(await acks.readRunKey(key, start)).toEqual({ taskId: 'task-1', runId: 'run_1', integrations: ['netlify'] });
  expect((await refusalOf(() => acks.readRunKey(key, start + minute))).code).toBe('unauthorized');
  const token = await acks.runToken(ack, 'run_1', start + minute);
  expect((await refusalOf(() => acks.readRunKey(token, start))).code).toBe('unauthorized');
});

test('after a rotation the former secret still verifies, and no longer signs', async () => {
  const old = await acks.ackToken(ack);
  const rotated = await createAcks({ secret: newer, previousSecret: secret, homeId: 'home1' });
  expect(await rotated.read(old, start)).toMatchObject({ signedBy: 'previous' });
  const fresh = await rotated.ackToken(ack);
  expect(await rotated.read(fresh, start)).toMatchObject({ signedBy: 'current' });
  expect(await codeOf(fresh)).toBe('token_signature');
});

test('after a rotation the former secret forges neither a run key nor a run token', async () => {
  const rotated = await createAcks({ secret: newer, previousSecret: secret, homeId: 'home1' });
  const key = await acks.runKey({ taskId: 'task-1', runId: 'run_1', integrations: ['netlify'] }, start + minute);
  expect((await refusalOf(() => rotated.readRunKey(key, start))).code).toBe('unauthorized');
  const token = await acks.runToken(ack, 'run_1', start + minute);
  expect((await refusalOf(() => rotated.read(token, start))).code).toBe('token_signature');
});

test('a proof of health depends on the secret, the nonce and the address', () => {
  const proofs = [
    acks.healthProof('n', 'http://127.0.0.1:1'),
    acks.healthProof('n', 'http://127.0.0.1:2'),
    acks.healthProof('m', 'http://127.0.0.1:1'),
  ];
  expect(new Set(proofs).size).toBe(3);
});

test.each([
  'short',
  '',
  'x'.repeat(31),
  'x'.repeat(64),
  'your-secret-here-your-secret-here-your-secret',
  'change-me'.repeat(5),
])('the secret %j is refused', async (weak) => {
  expect((await refusalOf(() => assertStrongSecret(weak))).code).toBe('secret_weak');
});
