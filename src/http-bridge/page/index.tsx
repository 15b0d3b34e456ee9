// The page: where people look and decide. Server-rendered, it adds no right of its own: every change is one of the operations.
import { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { DispatcherError, httpStatus, publicError } from '../../errors.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import type { KeyRing } from '../auth.js';
import { addAnneals } from './anneals.js';
import { addApprovals } from './approvals.js';
import { asset } from './assets.js';
import { addAudit } from './audit.js';
import { addDashboard } from './dashboard.js';
import { addDirectives } from './directives.js';
import type { PageContext, PageEnv } from './env.js';
import { changesAreOurs, securityHeaders, underOwnName } from './guard.js';
import { ProblemPage, send } from './layout.js';
import { createLive } from './live.js';
import { addPasskeys } from './passkeys.js';
import { createSessions } from './session.js';
import { addSignIn } from './sign-in.js';
import { addTasks } from './tasks.js';
import { addTrust } from './trust.js';

export interface Page {
  /** @param dialed the origin that the browser dialed, checked already */
  fetch(request: Request, dialed: string): Response | Promise<Response>;
  close(): void;
}

export function createPage(dispatcher: Dispatcher, keys: KeyRing): Page {
  const app = new Hono<PageEnv>().basePath('/ui');
  const sessions = createSessions(dispatcher, keys);
  const live = createLive(dispatcher);

  app.onError((error, context) => problem(context as PageContext, error, dispatcher));
  app.notFound((context) => problem(context as PageContext, nothingHere(context as PageContext), dispatcher));
  app.use(securityHeaders);
  app.get('/assets/:name{.+}', (context) => sendAsset(context));
  app.use(underOwnName);
  app.use(async (context, next) => {
    const viewer = await sessions.viewer(context);
    context.set('viewer', viewer);
    context.set('seq', await dispatcher.store.ledger.newestSeq());
    context.set('waiting', viewer === null ? 0 : await dispatcher.store.tasks.waiting());
    return next();
  });
  app.use(changesAreOurs(sessions));
  addSignIn(app, { dispatcher, keys, sessions });
  app.use(async (context, next) => (context.get('viewer') === null ? toSignIn(context) : next()));
  app.get('/live', (context) => live.stream(context));
  addDashboard(app, dispatcher);
  addApprovals(app, dispatcher);
  addTasks(app, dispatcher);
  addDirectives(app, dispatcher);
  addAnneals(app, dispatcher);
  addAudit(app, dispatcher);
  addTrust(app, dispatcher);
  addPasskeys(app, dispatcher);

  return { fetch: (request, dialed) => app.fetch(request, { dialed }), close: () => live.close() };
}

function sendAsset(context: PageContext): Response {
  const found = asset(context.req.param('name') ?? '');
  if (found === null) throw nothingHere(context);
  const tag = `"${found.tag}"`;
  const headers = {
    ETag: tag,
    'Content-Type': found.type,
    'Cache-Control': context.req.query('v') === found.tag ? 'public, max-age=31536000, immutable' : 'no-cache',
  };
  if (context.req.header('if-none-match') === tag) return new Response(null, { status: 304, headers });
  return new Response(found.bytes, { headers });
}

/**
 * A link in a mail or another site brings no `SameSite=Strict` cookie along. Loading the page once more from itself does,
 * so a signed-in person is not asked again.
 */
function toSignIn(context: PageContext): Response | Promise<Response> {
  const { pathname, search } = new URL(context.req.url);
  const wants = context.req.header('accept') ?? '';
  if (context.req.method !== 'GET' || /json|event-stream/.test(wants))
    throw new DispatcherError('unauthorized', 'Nobody is signed in.', { hint: 'Sign in at /ui/sign-in.' });
  if (context.req.header('sec-fetch-site') === 'cross-site') {
    context.header('Refresh', '0');
    return send(context, <p>One moment…</p>);
  }
  return context.redirect(`/ui/sign-in?to=${encodeURIComponent(pathname + search)}`, 303);
}

const nothingHere = (context: PageContext): DispatcherError =>
  new DispatcherError('not_found', `There is nothing at ${new URL(context.req.url).pathname}.`, {
    hint: 'Begin at the overview.',
  });

function problem(context: PageContext, error: unknown, { log }: Dispatcher): Response | Promise<Response> {
  const { code } = publicError(error);
  if (code === 'internal') log.error('page.failed', { path: context.req.path, error });
  const status = httpStatus(code) as ContentfulStatusCode;
  // The page's own script asks for JSON, and shows the words of a refusal.
  if (context.req.header('accept') === 'application/json')
    return context.json({ ok: false, ...publicError(error) }, status);
  if (context.get('viewer') === undefined) context.set('viewer', null);
  return send(context, <ProblemPage context={context} error={error} />, status);
}
