// Who is looking. A session stands in the store under the hash of its cookie, ends with its key, and is a person's: agent keys have none.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { sha256Hex } from '../../acks/binding.js';
import type { Caller } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { type KeyRing, shownKey } from '../auth.js';
import type { PageContext } from './env.js';
import { originOf } from './guard.js';

export const sessionLifeMs = 12 * 60 * 60_000;
const purpose = 'page_session';

export interface Viewer {
  caller: Caller & { keyId: string };
  /** What every form carries; null for a program that shows a key with each request, which may only read. */
  csrf: string | null;
}

export interface Sessions {
  /** Begins a session and hands its cookie to the browser. */
  begin(context: PageContext, keyId: string): Promise<void>;
  /** The signed-in person, or null. Reads and changes nothing. */
  viewer(context: PageContext): Promise<Viewer | null>;
  end(context: PageContext): Promise<void>;
  isCsrfToken(viewer: Viewer, token: string | undefined): boolean;
}

export function createSessions({ store, acks }: Dispatcher, keys: KeyRing): Sessions {
  const csrfKey = acks.purposeKey('page-csrf');
  const csrfOf = (cookie: string) => createHmac('sha256', csrfKey).update(cookie).digest('base64url');
  // Cookies know no ports: two homes on one machine must not overwrite each other's.
  const cookieName = async () => `doe_session_${(await store.ledger.homeId()).slice(0, 8)}`;

  const byKey = (context: PageContext): Viewer | null => {
    const key = shownKey(context.req.raw.headers);
    return toViewer(key === null ? null : keys.operator(key), null);
  };

  const forget = async (context: PageContext) => {
    const cookie = getCookie(context, await cookieName());
    if (cookie !== undefined) await store.people.consumeNonce(sha256Hex(cookie), purpose);
  };

  return {
    async begin(context, keyId) {
      await forget(context);
      const cookie = randomBytes(32).toString('base64url');
      const expiresAt = (await store.now()) + sessionLifeMs;
      await store.people.mintNonce({ id: sha256Hex(cookie), purpose, data: { key_id: keyId }, expiresAt });
      setCookie(context, await cookieName(), cookie, {
        httpOnly: true,
        sameSite: 'Strict',
        path: '/ui',
        maxAge: sessionLifeMs / 1000,
        secure: originOf(context).startsWith('https:'),
      });
    },
    async viewer(context) {
      const cookie = getCookie(context, await cookieName());
      if (cookie === undefined) return byKey(context);
      const session = await store.people.nonce(sha256Hex(cookie), purpose);
      if (session === null) return null;
      return toViewer(keys.operatorById(String(session.data.key_id)), csrfOf(cookie));
    },
    async end(context) {
      await forget(context);
      deleteCookie(context, await cookieName(), { path: '/ui' });
    },
    isCsrfToken({ csrf }, token) {
      if (csrf === null || token === undefined) return false;
      const [wanted, given] = [Buffer.from(csrf), Buffer.from(token)];
      return wanted.length === given.length && timingSafeEqual(wanted, given);
    },
  };
}

const toViewer = (caller: Caller | null, csrf: string | null): Viewer | null =>
  caller === null || caller.keyId === null ? null : { caller: { ...caller, keyId: caller.keyId }, csrf };
