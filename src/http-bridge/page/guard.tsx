// What every answer of the page carries, and what every change must bring: the page's own name, its exact origin, its token.
import type { Context, MiddlewareHandler } from 'hono';
import { DispatcherError } from '../../errors.js';
import { underPageName } from '../host-origin.js';
import type { PageEnv } from './env.js';
import { readForm } from './form.js';
import { Frame, send } from './layout.js';
import type { Sessions } from './session.js';

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const securityHeaders: MiddlewareHandler<PageEnv> = async (context, next) => {
  await next();
  const { headers } = context.res;
  headers.set('Content-Security-Policy', policy);
  headers.set('X-Content-Type-Options', 'nosniff');
  headers.set('X-Frame-Options', 'DENY');
  // With `no-referrer` a browser would send its forms under `Origin: null`.
  headers.set('Referrer-Policy', 'same-origin');
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Resource-Policy', 'same-origin');
  headers.set('Permissions-Policy', 'camera=(), microphone=(), geolocation=()');
  if (!headers.has('Cache-Control')) headers.set('Cache-Control', 'no-store');
};

/** The plain loopback address leads to the page's own name; a program with a key may read there. */
export const underOwnName: MiddlewareHandler<PageEnv> = async (context, next) => {
  const { dialed } = context.env;
  const own = underPageName(dialed);
  const reads = context.req.method === 'GET' || context.req.method === 'HEAD';
  const showsKey = context.req.header('x-api-key') !== undefined || context.req.header('authorization') !== undefined;
  if (own === dialed || (reads && showsKey)) return next();
  if (reads) return leadTo(context, `${own}${pathOf(context)}`);
  throw new DispatcherError('origin_not_allowed', 'The page takes changes under its own name alone.', {
    hint: `Open ${own}/ui`,
  });
};

/** Not a redirect: a program that cannot resolve the name still gets an answer, and so does a person. */
function leadTo(context: Context<PageEnv>, address: string): Response | Promise<Response> {
  context.header('Refresh', `0; url=${address}`);
  context.set('viewer', null);
  return send(
    context,
    <Frame context={context} title="One moment">
      <div class="narrow">
        <h1>One moment…</h1>
        <p>
          The page has a name of its own, so that no other server of this machine gets its cookie:{' '}
          <a href={address}>{address}</a>
        </p>
      </div>
    </Frame>,
  );
}

const pathOf = (context: Context): string => {
  const { pathname, search } = new URL(context.req.url);
  return pathname + search;
};

/**
 * A change comes from a form of this very origin, of a signed-in person, with that session's token.
 * @throws DispatcherError `origin_not_allowed`, `not_allowed`
 */
export const changesAreOurs =
  (sessions: Sessions): MiddlewareHandler<PageEnv> =>
  async (context, next) => {
    if (context.req.method === 'GET' || context.req.method === 'HEAD') return next();
    assertSameOrigin(context);
    const form = await readForm(context);
    context.set('form', form);
    const viewer = context.get('viewer');
    // Whoever signs in anew has no token yet, or one of another session; the exact origin stands for it.
    const signsIn = context.req.path === '/ui/sign-in';
    if (viewer !== null && !signsIn && !sessions.isCsrfToken(viewer, form.get('csrf')))
      throw new DispatcherError('not_allowed', 'This form is not one that the page made for you.', {
        hint: 'Go back, load the page anew and try again.',
      });
    return next();
  };

/** Browsers name the origin with every POST (Fetch standard, "append a request Origin header"); name and port must be those dialed. */
function assertSameOrigin(context: Context<PageEnv>): void {
  const site = context.req.header('sec-fetch-site');
  if (isOwn(context.req.header('origin'), context.env.dialed) && (site === undefined || site === 'same-origin')) return;
  throw new DispatcherError('origin_not_allowed', 'The page takes changes from its own forms alone.', {
    hint: `Open ${context.env.dialed}/ui`,
  });
}

/** The bridge has judged the scheme: behind a proxy a page of https is dialed over http. */
function isOwn(origin: string | undefined, dialed: string): boolean {
  if (origin === undefined || !URL.canParse(origin)) return false;
  return new URL(origin).host === new URL(dialed).host;
}

/** The page's origin as the browser has it. */
export const originOf = (context: Context<PageEnv>): string => context.req.header('origin') ?? context.env.dialed;
