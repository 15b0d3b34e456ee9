// The store remembers the secret by its fingerprint: another secret is refused, unless the one it knows is given as the previous one.
import { DispatcherError } from '../errors.js';
import type { Store } from '../queue/store.js';
import type { Acks } from './index.js';

const knownSecret = 'secret_fingerprint';

/** Facts are strings; this one is epoch milliseconds. */
export const rotatedAtFact = 'secret_rotated_at';

/** @throws DispatcherError `secret_mismatch` */
export async function rememberSecret(store: Store, acks: Acks): Promise<void> {
  const { ledger } = store;
  const known = await ledger.setFact(knownSecret, acks.secretFingerprint);
  if (known === acks.secretFingerprint) return;
  if (known !== acks.previousFingerprint) {
    throw new DispatcherError('secret_mismatch', 'MCP_SECRET is not the one that this database knows.', {
      hint: 'Put the former value back, or rotate: set MCP_SECRET_PREVIOUS to the former value and MCP_SECRET to the new one.',
    });
  }
  // The time stands before the new fingerprint does: no ack can be older than the one and younger than the other.
  const before = await ledger.fact(rotatedAtFact);
  await ledger.setFact(rotatedAtFact, String(await store.now()), before ?? undefined);
  await ledger.setFact(knownSecret, acks.secretFingerprint, known);
}
