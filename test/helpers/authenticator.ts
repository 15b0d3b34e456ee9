// A passkey in software (W3C Web Authentication, Level 3), for tests without a browser: ES256, attestation `none`, a counter.
import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import type { RelyingParty } from '../../src/acks/passkey.js';
import type { JsonObject } from '../../src/tasks/outcome.js';

const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest();
const base64url = (data: Uint8Array | string): string => Buffer.from(data).toString('base64url');

const userPresent = 0x01;
const userVerified = 0x04;
const hasCredential = 0x40;

/** CBOR (RFC 8949) of what a passkey says: byte strings, small integers, texts and maps. */
function cbor(value: unknown): Buffer {
  const head = (major: number, count: number): Buffer => {
    if (count < 24) return Buffer.from([(major << 5) | count]);
    return count < 256
      ? Buffer.from([(major << 5) | 24, count])
      : Buffer.from([(major << 5) | 25, count >> 8, count & 255]);
  };
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value]);
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)]);
  throw new Error('This value has no place in a passkey’s answer.');
}

export interface Ways {
  /** False leaves the flag of user verification out. */
  verified?: boolean;
  origin?: string;
  /** What the counter says; default one more than before. */
  counter?: number;
}

export interface Passkey {
  readonly id: string;
  create(party: RelyingParty, challenge: string, ways?: Ways): JsonObject;
  get(party: RelyingParty, challenge: string, ways?: Ways): JsonObject;
}

export function createPasskey(): Passkey {
  const id = randomBytes(16);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  let counter = 0;

  const clientData = (type: string, challenge: string, origin: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));

  const authenticatorData = (rpId: string, flags: number, count: number, rest: Uint8Array[] = []): Buffer => {
    const counted = Buffer.alloc(4);
    counted.writeUInt32BE(count);
    return Buffer.concat([sha256(rpId), Buffer.from([flags]), counted, ...rest]);
  };
  const flagsOf = ({ verified = true }: Ways) => userPresent | (verified ? userVerified : 0);

  return {
    id: base64url(id),
    create(party, challenge, ways = {}) {
      const length = Buffer.from([0, id.length]);
      const data = authenticatorData(party.rpId, flagsOf(ways) | hasCredential, counter, [
        Buffer.alloc(16),
        length,
        id,
        coseKey(publicKey),
      ]);
      const attestation = new Map<string, unknown>([
        ['fmt', 'none'],
        ['attStmt', new Map()],
        ['authData', data],
      ]);
      return {
        id: base64url(id),
        rawId: base64url(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(clientData('webauthn.create', challenge, ways.origin ?? party.origin)),
          attestationObject: base64url(cbor(attestation)),
          transports: ['internal'],
        },
      };
    },
    get(party, challenge, ways = {}) {
      counter = ways.counter ?? counter + 1;
      const client = clientData('webauthn.get', challenge, ways.origin ?? party.origin);
      const data = authenticatorData(party.rpId, flagsOf(ways), counter);
      const key = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }));
      return {
        id: base64url(id),
        rawId: base64url(id),
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          clientDataJSON: base64url(client),
          authenticatorData: base64url(data),
          signature: base64url(sign('sha256', Buffer.concat([data, sha256(client)]), key)),
        },
      };
    },
  };
}

/** RFC 9053 section 7.1: an EC2 key on P-256 for ES256. */
function coseKey(key: KeyObject): Buffer {
  const { x = '', y = '' } = key.export({ format: 'jwk' });
  return cbor(
    new Map<number, unknown>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Buffer.from(x, 'base64url')],
      [-3, Buffer.from(y, 'base64url')],
    ]),
  );
}
