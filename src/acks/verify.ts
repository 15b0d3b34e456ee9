// Reads tokens: form, signature, times (RFC 7515 and RFC 7519). Whether the ack behind one still holds is asked of its row, every time.
import { createHash } from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import { DispatcherError, type TokenErrorCode } from '../errors.js';
import type { Acks, RunKeyClaims, TokenClaims } from './index.js';
import type { VerifyingKey } from './keys.js';

export const algorithm = 'HS256';
export const ackAudience = 'doe:ack';
export const runAudience = 'doe:run';
export const runKeyAudience = 'doe:integrations';

/** NumericDate of RFC 7519: whole seconds. */
export const wholeSeconds = (epochMs: number): number => Math.floor(epochMs / 1000);

const tokenPayload = z.object({
  jti: z.string(),
  sub: z.string(),
  aud: z.enum([ackAudience, runAudience]),
  act: z.string(),
  dir: z.string(),
  pay: z.string(),
  scr: z.string(),
  bnd: z.string(),
  run: z.string().optional(),
  nbf: z.number().optional(),
  exp: z.number(),
});
type TokenPayload = z.infer<typeof tokenPayload>;

const runKeyPayload = z.object({ sub: z.string(), run: z.string(), int: z.array(z.string()) });

const messages = {
  token_missing: ['No token was given.', 'Send it as `Authorization: Bearer …` or as the query parameter `ack_token`.'],
  token_malformed: [
    'This is no token of the dispatcher: it does not have the form of a signed JWT.',
    'Pass on the ack_token as it was received.',
  ],
  token_signature: [
    'The token was not signed by this home, or was altered.',
    'Get a fresh acknowledgement; after a rotation of MCP_SECRET set MCP_SECRET_PREVIOUS.',
  ],
  token_expired: ['The token is outside of its time.', 'Get a fresh acknowledgement for the task.'],
} as const satisfies Partial<Record<TokenErrorCode, readonly [string, string]>>;

const refusal = (code: keyof typeof messages, cause?: unknown): DispatcherError =>
  new DispatcherError(code, messages[code][0], { hint: messages[code][1], cause });

interface Remembered {
  payload: TokenPayload;
  signedBy: VerifyingKey['generation'];
}

/** Ours are far shorter; hashing a stranger's megabytes would be work for nothing. */
const longestToken = 8192;

/** Signatures found good are remembered by token hash; times are judged at every reading. */
const remembered = 1000;

export function createTokenReader(keys: VerifyingKey[], issuer: string): Acks['read'] {
  const seen = new Map<string, Remembered>();
  return async (token, now) => {
    if (token === undefined || token === '') throw refusal('token_missing');
    if (token.length > longestToken) throw refusal('token_malformed');
    const hash = createHash('sha256').update(token).digest('hex');
    const known = seen.get(hash) ?? (await verifySignature(keys, issuer, token));
    assertInTime(known.payload, now);
    if (seen.size >= remembered) seen.delete(seen.keys().next().value ?? '');
    seen.set(hash, known);
    return toClaims(known);
  };
}

async function verifySignature(keys: VerifyingKey[], issuer: string, token: string): Promise<Remembered> {
  try {
    const { payload, generation } = await verifyJwt(keys, issuer, [ackAudience, runAudience], token);
    // Each process answers its own scripts: what a run is handed was never signed before a rotation.
    if (payload.aud === runAudience && generation === 'previous') throw new errors.JWSSignatureVerificationFailed();
    return { payload: tokenPayload.parse(payload), signedBy: generation };
  } catch (error) {
    const malformed =
      error instanceof TypeError || error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid;
    throw refusal(malformed ? 'token_malformed' : 'token_signature', error);
  }
}

async function verifyJwt(
  keys: VerifyingKey[],
  issuer: string,
  audience: string | string[],
  token: string,
): Promise<{ payload: JWTPayload; generation: VerifyingKey['generation'] }> {
  const signature = compactForm.exec(token)?.[1];
  if (signature === undefined) throw new errors.JWSInvalid();
  const { kid } = decodeProtectedHeader(token);
  const key = keys.find(({ id }) => id === kid);
  if (key === undefined || !isCanonical(signature)) throw new errors.JWSSignatureVerificationFailed();
  // Times are judged by the store's clock in assertInTime, not by jose's own.
  const { payload } = await jwtVerify(token, key.key, {
    algorithms: [algorithm],
    issuer,
    audience,
    currentDate: new Date(0),
    clockTolerance: Number.MAX_SAFE_INTEGER,
  });
  return { payload, generation: key.generation };
}

/** RFC 7515 sections 2 and 7.1: without padding or white space, which decoders let pass. */
const compactForm = /^[\w-]+\.[\w-]+\.([\w-]+)$/;

/** Decoders pass over the last character's unused bits (RFC 4648 section 3.5); one token would have four spellings. */
const isCanonical = (part: string): boolean => Buffer.from(part, 'base64url').toString('base64url') === part;

function assertInTime({ exp, nbf }: { exp: number; nbf?: number | undefined }, now: number): void {
  if (now >= Math.round(exp * 1000) || (nbf !== undefined && wholeSeconds(now) < nbf)) throw refusal('token_expired');
}

const toClaims = ({ payload, signedBy }: Remembered): TokenClaims => ({
  kind: payload.aud === runAudience ? 'run' : 'ack',
  ackId: payload.jti,
  taskId: payload.sub,
  runId: payload.run ?? null,
  actorId: payload.act,
  directiveSha256: payload.dir,
  payloadSha256: payload.pay,
  scriptSha256: payload.scr,
  binding: payload.bnd,
  expiresAt: Math.round(payload.exp * 1000),
  signedBy,
});

/** @throws DispatcherError `unauthorized` */
export async function readRunKeyClaims(
  key: VerifyingKey,
  issuer: string,
  token: string,
  now: number,
): Promise<RunKeyClaims> {
  try {
    const { payload } = await verifyJwt([key], issuer, runKeyAudience, token);
    assertInTime({ exp: payload.exp ?? 0 }, now);
    const { sub, run, int } = runKeyPayload.parse(payload);
    return { taskId: sub, runId: run, integrations: int };
  } catch (cause) {
    throw new DispatcherError('unauthorized', 'The run key is not valid, or its run is over.', {
      hint: 'Send DOE_RUN_KEY as `Authorization: Bearer …` while the run lasts.',
      cause,
    });
  }
}
