// How a bridge shows that it knows the home's secret, without a key being sent first. The command line checks it by the same function.
import { createHmac } from 'node:crypto';
import { deriveKey } from './keys.js';

/** HMAC-SHA-256 over nonce and address, base64url: the address binds it, so that a relay elsewhere cannot pass it on. */
export function healthProver(secret: string): (nonce: string, address: string) => string {
  const key = deriveKey(secret, 'health');
  return (nonce, address) => createHmac('sha256', key).update(`${nonce}\n${address}`).digest('base64url');
}
