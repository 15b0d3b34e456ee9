// One secret, one key per purpose (HKDF-SHA-256, RFC 5869): a token of one kind can never pass for another.
import { createHmac, hkdfSync, type webcrypto } from 'node:crypto';
import { DispatcherError } from '../errors.js';
import { sha256Hex } from './binding.js';

const minimumSecretBytes = 32;

/** Texts that guides and templates show where a secret belongs. */
const placeholders = [
  /your[-_ ]?secret/i,
  /change[-_ ]?(this|me)/i,
  /^(secret|password|example|placeholder|replace[-_ ]?me)/i,
  /^(.)\1*$/,
];

/**
 * Refuses a secret that could be guessed.
 * @throws DispatcherError `secret_weak`
 */
export function assertStrongSecret(secret: string, setting = 'MCP_SECRET'): void {
  const bytes = Buffer.byteLength(secret);
  const why =
    bytes < minimumSecretBytes
      ? `has ${bytes} bytes; at least ${minimumSecretBytes} are needed`
      : placeholders.some((pattern) => pattern.test(secret))
        ? 'is a placeholder from a guide or template'
        : null;
  if (why === null) return;
  throw new DispatcherError('secret_weak', `${setting} ${why}.`, {
    hint: `Remove the line from .env and let \`doe init\` make one, or set ${setting} to the output of \`openssl rand -base64 48\`.`,
  });
}

/** The key of one purpose, 32 bytes. */
export const deriveKey = (secret: string, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, 'doe-dispatcher', purpose, 32));

/** Names a secret without telling it. */
export const fingerprint = (secret: string): string =>
  createHmac('sha256', deriveKey(secret, 'fingerprint')).update('doe-dispatcher').digest('hex').slice(0, 32);

/** Names an operator's or agent's key, in the record and in sessions, without telling it. */
export const keyIdOf = (key: string): string => sha256Hex(`key-id:${key}`).slice(0, 12);

export interface VerifyingKey {
  /** The `kid` of its tokens. */
  id: string;
  generation: 'current' | 'previous';
  key: webcrypto.CryptoKey;
}

/** Imports a purpose's key once: verifying with a CryptoKey costs half of verifying with raw bytes. */
export async function importHmacKey(
  secret: string,
  purpose: string,
  generation: VerifyingKey['generation'],
): Promise<VerifyingKey> {
  const bytes = new Uint8Array(deriveKey(secret, purpose));
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify']);
  return { id: fingerprint(secret).slice(0, 8), generation, key };
}
