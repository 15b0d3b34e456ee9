// Passkeys (W3C Web Authentication, Level 3): what an assertion is bound to, and whether one holds. Who may use it is the verbs' to say.
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import { canonicalSha256, sha256Hex } from './binding.js';

/** Where a ceremony takes place: the page's name and its exact origin. */
export interface RelyingParty {
  rpId: string;
  origin: string;
}

/** A credential's public half. */
export interface PublicCredential {
  id: string;
  /** COSE key, base64url. */
  publicKey: string;
  counter: number;
  transports: string[];
}

/** The challenge (base64url) of a ceremony: sha256 over the canonical JSON (RFC 8785) of all that the touch would cover. */
export const challengeOf = (covered: JsonObject): string =>
  Buffer.from(canonicalSha256(covered), 'hex').toString('base64url');

const refused = (why: string, cause?: unknown): DispatcherError =>
  new DispatcherError('passkey_refused', `The passkey was not accepted: ${why}`, {
    hint: 'Load the page anew and touch the passkey again.',
    cause,
  });

const sentence = (error: unknown): string => `${error instanceof Error ? error.message : String(error)}.`;

/** The options that a browser's `navigator.credentials.get` takes. */
export async function assertionOptions(
  { rpId }: RelyingParty,
  challenge: string,
  credentials: PublicCredential[],
): Promise<JsonObject> {
  return {
    rpId,
    challenge,
    userVerification: 'required',
    timeout: 120_000,
    allowCredentials: credentials.map(({ id, transports }) => ({ id, type: 'public-key', transports })),
  };
}

/**
 * Checks an assertion: its challenge, origin, name, user verification, signature, and that its counter went up.
 * @returns the new counter
 * @throws DispatcherError `passkey_refused`
 */
export async function verifyAssertion(
  party: RelyingParty,
  challenge: string,
  credential: PublicCredential,
  assertion: JsonObject,
): Promise<number> {
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server');
  try {
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: assertion as unknown as Parameters<typeof verifyAuthenticationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.rpId,
      requireUserVerification: true,
      credential: {
        id: credential.id,
        publicKey: new Uint8Array(Buffer.from(credential.publicKey, 'base64url')),
        counter: credential.counter,
      },
    });
    if (verified) return authenticationInfo.newCounter;
  } catch (error) {
    throw refused(sentence(error), error);
  }
  throw refused('its signature does not fit.');
}

/** The options that a browser's `navigator.credentials.create` takes. */
export async function registrationOptions(
  { rpId }: RelyingParty,
  challenge: string,
  owner: { name: string; known: PublicCredential[] },
): Promise<JsonObject> {
  return {
    rp: { id: rpId, name: 'DOE' },
    user: {
      id: Buffer.from(sha256Hex(`owner:${owner.name}`), 'hex').toString('base64url'),
      name: owner.name,
      displayName: owner.name,
    },
    challenge,
    pubKeyCredParams: [-8, -7, -257].map((alg) => ({ alg, type: 'public-key' })),
    timeout: 120_000,
    attestation: 'none',
    authenticatorSelection: { userVerification: 'required', residentKey: 'preferred' },
    excludeCredentials: owner.known.map(({ id, transports }) => ({ id, type: 'public-key', transports })),
  };
}

/**
 * Checks a new credential: its challenge, origin, name and user verification.
 * @throws DispatcherError `passkey_refused`
 */
export async function verifyRegistration(
  party: RelyingParty,
  challenge: string,
  registration: JsonObject,
): Promise<PublicCredential> {
  const { verifyRegistrationResponse } = await import('@simplewebauthn/server');
  try {
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: registration as unknown as Parameters<typeof verifyRegistrationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.rpId,
      requireUserVerification: true,
    });
    if (verified) {
      const { id, publicKey, counter, transports } = registrationInfo.credential;
      return { id, publicKey: Buffer.from(publicKey).toString('base64url'), counter, transports: transports ?? [] };
    }
  } catch (error) {
    throw refused(sentence(error), error);
  }
  throw refused('its registration does not fit.');
}
