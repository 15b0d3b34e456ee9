// What travels with a request through the page.
import type { Context } from 'hono';
import { DispatcherError } from '../../errors.js';
import type { CallContext } from '../../tools/operation.js';
import type { Form } from './form.js';
import type { Viewer } from './session.js';

export interface PageEnv {
  Bindings: {
    /** The origin that the browser dialed, checked already. */
    dialed: string;
  };
  Variables: { viewer: Viewer | null; form: Form; waiting: number; seq: number };
}

export type PageContext = Context<PageEnv>;

/** Behind the sign-in there is always someone. */
export function viewerOf(context: PageContext): Viewer {
  const viewer = context.get('viewer');
  if (viewer === null) throw new DispatcherError('unauthorized', 'Nobody is signed in.', { hint: 'Sign in at /ui.' });
  return viewer;
}

export const callOf = (context: PageContext): CallContext => ({
  caller: viewerOf(context).caller,
  signal: context.req.raw.signal,
});

/** The name that stands in the audit trail. */
export const actorOf = (context: PageContext): string => viewerOf(context).caller.person ?? 'operator';
