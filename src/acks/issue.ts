// Signs tokens from rows and reads them back. jose lives in this folder and nowhere else.
import { SignJWT } from 'jose';
import type { Ack } from '../tasks/task.js';
import { healthProver } from './health-proof.js';
import type { Acks } from './index.js';
import { deriveKey, fingerprint, importHmacKey, type VerifyingKey } from './keys.js';
import {
  ackAudience,
  algorithm,
  createTokenReader,
  readRunKeyClaims,
  runAudience,
  runKeyAudience,
  wholeSeconds,
} from './verify.js';

export interface AcksOptions {
  secret: string;
  /** Verifies tokens of acks that are older than a rotation, and nothing that a run is handed; never signs. */
  previousSecret: string | null;
  homeId: string;
}

/** Imports each key once; the secrets themselves are not kept. */
export async function createAcks({ secret, previousSecret, homeId }: AcksOptions): Promise<Acks> {
  const issuer = `doe:${homeId}`;
  const tokenKey = await importHmacKey(secret, 'token', 'current');
  const formerTokenKey = previousSecret === null ? [] : [await importHmacKey(previousSecret, 'token', 'previous')];
  const readToken = createTokenReader([tokenKey, ...formerTokenKey], issuer);
  const runKeyKey = await importHmacKey(secret, 'run-key', 'current');

  const sign = (key: VerifyingKey, token: SignJWT, audience: string, expiresAt: number) =>
    token
      .setProtectedHeader({ alg: algorithm, typ: 'JWT', kid: key.id })
      .setIssuer(issuer)
      .setAudience(audience)
      // A NumericDate may have a fraction (RFC 7519 section 2): a run's end is not rounded.
      .setExpirationTime(expiresAt / 1000)
      .sign(key.key);

  return {
    ackToken: (ack) =>
      sign(tokenKey, new SignJWT(claimsOf(ack)).setNotBefore(wholeSeconds(ack.notBefore)), ackAudience, ack.expiresAt),
    runToken: (ack, runId, expiresAt) =>
      sign(tokenKey, new SignJWT({ ...claimsOf(ack), run: runId }), runAudience, expiresAt),
    runKey: ({ taskId, runId, integrations }, expiresAt) =>
      sign(runKeyKey, new SignJWT({ sub: taskId, run: runId, int: integrations }), runKeyAudience, expiresAt),
    read: readToken,
    readRunKey: (token, now) => readRunKeyClaims(runKeyKey, issuer, token, now),
    healthProof: healthProver(secret),
    secretFingerprint: fingerprint(secret),
    previousFingerprint: previousSecret === null ? null : fingerprint(previousSecret),
    purposeKey: (purpose) => deriveKey(secret, `door:${purpose}`),
  };
}

/** The claims that bind a token (RFC 7519 section 4.1 for jti, sub and iat; the rest are ours). */
const claimsOf = (ack: Ack) => ({
  jti: ack.id,
  sub: ack.taskId,
  iat: wholeSeconds(ack.issuedAt),
  act: ack.actorId,
  dir: ack.pins.directiveSha256,
  pay: ack.pins.payloadSha256,
  scr: ack.pins.scriptSha256,
  bnd: ack.pins.binding,
});
