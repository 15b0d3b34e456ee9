// `doe open` and `doe passkey add`: a link that signs this person in to the page, once.
import type { openPage } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { type CommonOptions, settingsOf } from './home.js';
import { note, say, sayJson } from './output.js';

export const run = (options: CommonOptions): Promise<void> => giveLink(options, '/ui');

export const addPasskey = (options: CommonOptions): Promise<void> => giveLink(options, '/ui/passkeys');

async function giveLink(options: CommonOptions, to: '/ui' | '/ui/passkeys'): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const { url, expires_at } = await bridge.post<typeof openPage>('/ui-codes', { to });
  if (options.json === true) return sayJson({ url, expires_at });
  say(url);
  note(`Open it in your browser before ${expires_at}; it works once.`);
}
