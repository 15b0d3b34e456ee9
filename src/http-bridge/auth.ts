// Who is calling, by the key that was shown. Rights rest on this and on nothing that the request says of itself.
import { createHash, timingSafeEqual } from 'node:crypto';
import { keyIdOf } from '../acks/keys.js';
import type { Config, NamedKey } from '../config.js';
import { DispatcherError } from '../errors.js';
import type { Caller, Principal } from '../tasks/task.js';

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

interface KnownKey {
  hash: Buffer;
  principal: Principal;
  keyId: string;
  person: string | null;
}

export interface KeyRing {
  /** @throws DispatcherError `unauthorized` */
  callerOf(headers: Headers): Caller;
  /** An operator key's caller, for signing in to the page; null for any other text. */
  operator(key: string): Caller | null;
  /** The same by the key's public id: a session ends when its key is taken out of the settings. */
  operatorById(keyId: string): Caller | null;
}

export function createKeyRing({ operatorKeys, agentKeys }: Pick<Config, 'operatorKeys' | 'agentKeys'>): KeyRing {
  const known = [
    ...operatorKeys.map((key) => toKnown(key, 'operator')),
    ...agentKeys.map((key) => toKnown(key, 'agent')),
  ];

  const find = (key: string): KnownKey | null => {
    const hash = sha256(key);
    let found: KnownKey | null = null;
    // Every key is compared, each in constant time: how long it takes says nothing.
    for (const candidate of known) if (timingSafeEqual(candidate.hash, hash)) found ??= candidate;
    return found;
  };

  const onPage = (key: KnownKey | null | undefined): Caller | null =>
    key?.principal === 'operator'
      ? { principal: 'operator', channel: 'page', keyId: key.keyId, person: key.person }
      : null;

  return {
    callerOf(headers) {
      const shown = shownKey(headers);
      const key = shown === null ? null : find(shown);
      if (key === null) {
        throw new DispatcherError(
          'unauthorized',
          shown === null ? 'No key was given.' : 'The key is not one of this home.',
          {
            hint: 'Send a key of MCP_API_KEY or MCP_AGENT_KEY (in the .env of the home) as `X-API-Key: …` or `Authorization: Bearer …`.',
          },
        );
      }
      const channel = headers.get('user-agent')?.startsWith('doe-cli/') === true ? 'terminal' : 'http';
      return { principal: key.principal, channel, keyId: key.keyId, person: key.person };
    },
    operator: (text) => onPage(find(text)),
    operatorById: (keyId) => onPage(known.find((key) => key.keyId === keyId)),
  };
}

const toKnown = ({ key, name }: NamedKey, principal: Principal): KnownKey => ({
  hash: sha256(key),
  principal,
  keyId: keyIdOf(key),
  person: name,
});

/** The key that a request carries, in either of the headers that may have it; an empty one is none. */
export const shownKey = (headers: Headers): string | null => headers.get('x-api-key') || bearer(headers);

/** RFC 6750 section 2.1. */
export function bearer(headers: Headers): string | null {
  return /^Bearer ([^\s]+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? null;
}
