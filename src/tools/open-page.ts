// A link that signs a person in to the page: its code works once and for a minute.
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { sha256Hex } from '../acks/binding.js';
import { isoTime } from '../clock.js';
import { DispatcherError } from '../errors.js';
import { defineOperation } from './operation.js';
import { requireOperator } from './views.js';

export const signInPurpose = 'sign_in';
const codeLifeMs = 60_000;

export const openPage = defineOperation({
  name: 'open_page',
  title: 'Open the page',
  description: 'A link that signs the person of this operator key in to the page, once, within a minute.',
  input: z.object({ to: z.enum(['/ui', '/ui/passkeys']).optional().describe('Where the sign-in leads; default /ui') }),
  output: z.object({ url: z.string(), expires_at: z.string() }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tool: false,
  async run({ store, pageAddress }, { to }, call) {
    requireOperator(call, 'Signing in to the page');
    const { keyId } = call.caller;
    if (keyId === null)
      throw new DispatcherError('not_allowed', 'This call shows no operator key to sign in with.', {
        hint: 'Type an operator key in at the page.',
      });
    const code = randomBytes(24).toString('base64url');
    const expiresAt = (await store.now()) + codeLifeMs;
    // Only the hash is stored: who reads the database cannot sign in with it.
    await store.people.mintNonce({ id: sha256Hex(code), purpose: signInPurpose, data: { key_id: keyId }, expiresAt });
    const goal = to === undefined || to === '/ui' ? '' : `&to=${to}`;
    return { url: `${await pageAddress()}/ui/sign-in?code=${code}${goal}`, expires_at: isoTime(expiresAt) };
  },
});
