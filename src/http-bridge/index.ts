// The bridge: the operations over HTTP, the scripts' way in, MCP and the page behind the same checks.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { DispatcherError } from '../errors.js';
import { once } from '../once.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Caller } from '../tasks/task.js';
import { ackTokenFor } from '../tools/acknowledge.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { acknowledge, createTask, validateAck } from '../tools/index.js';
import { type AnyOperation, type CallContext, invoke, validTraceparent } from '../tools/operation.js';
import { bearer, createKeyRing, type KeyRing } from './auth.js';
import { bounded, readBody, readQuery } from './body.js';
import { errorResponse } from './errors.js';
import { allowedOrigins, assertHostAndOrigin, isOurs } from './host-origin.js';
import { streamLogs } from './logs-stream.js';
import { openApiDocument } from './openapi.js';
import { createRefusalCount, type RefusalCount } from './refusals.js';
import { type Route, routes } from './routes.js';
import { callIntegration } from './run-key.js';

/** What the bridge needs of the MCP door; it is handed in by the root. */
export interface McpHttp {
  /** Streamable HTTP at `/mcp`. */
  fetch(request: Request, caller: Caller): Promise<Response>;
  /** HTTP+SSE at `/sse` and `/messages`, which answers on Node's own objects. */
  sse(incoming: IncomingMessage, outgoing: ServerResponse, caller: Caller): Promise<void>;
  close(): Promise<void>;
}

export interface HttpAppOptions {
  dispatcher: Dispatcher;
  /** `scripts`: only what a script calls. */
  scope: 'all' | 'scripts';
  /** Where this process listens, for judging Host and Origin. */
  ownAddresses: () => string[];
  worker: () => 'on' | 'standby' | 'off';
  mcp: McpHttp | null;
}

export interface HttpApp {
  fetch(request: Request, env?: HttpBindings): Response | Promise<Response>;
  /** Lets what only waits answer with what there is, and ends streams: for a stop that cuts nobody short. */
  endWaits(): Promise<void>;
  close(): Promise<void>;
}

type Env = { Variables: { dialed: string; closing: AbortSignal }; Bindings: HttpBindings };

export function createHttpApp({ dispatcher, scope, ownAddresses, worker, mcp }: HttpAppOptions): HttpApp {
  const { config } = dispatcher;
  const app = new Hono<Env>();
  const keys = createKeyRing(config);
  const refusals = createRefusalCount(dispatcher);
  const closing = new AbortController();

  app.onError((error, context) => errorResponse(context, error, dispatcher));
  app.notFound((context) => errorResponse(context, noRoute(context), dispatcher));
  app.use(async (context, next) => {
    context.header('Cache-Control', 'no-store');
    context.header('X-Content-Type-Options', 'nosniff');
    context.set('closing', closing.signal);
    context.set('dialed', assertHostAndOrigin(context.req.raw.headers, allowedOrigins(config, ownAddresses())));
    await next();
  });

  app.get('/health', async (context) => {
    const nonce = context.req.query('nonce') ?? '';
    const proves = nonce !== '' && nonce.length <= 256 && isOurs(context.get('dialed'), ownAddresses());
    return context.json({
      ok: true,
      name: 'doe-dispatcher',
      version: dispatcher.version,
      home_id: await dispatcher.store.ledger.homeId(),
      worker: worker(),
      // Only for an address that is ours: a relay on another one, or on another port, gets no proof that fits its own.
      ...(proves ? { proof: dispatcher.acks.healthProof(nonce, context.get('dialed')) } : {}),
    });
  });

  app.get('/mcp/validate-ack', async (context) => {
    const { ack_token: fromQuery, ...query } = readQuery(context, validateAck.input.shape);
    const ack_token = fromQuery || (bearer(context.req.raw.headers) ?? '');
    try {
      return context.json({
        ok: true,
        ...(await invoke(dispatcher, validateAck, { ...query, ack_token }, callOf(context, scriptCaller))),
      });
    } catch (error) {
      if (error instanceof DispatcherError) refusals.count(error.code);
      throw error;
    }
  });

  app.post('/integrations/:name/:action', async (context) =>
    context.json({ ok: true, result: await callIntegration(dispatcher, context, () => readBody(context)) }),
  );

  if (scope === 'all') addOperations(app, dispatcher, { keys, refusals });
  const closePage = scope === 'all' ? addPage(app, dispatcher, keys) : async () => {};
  if (scope === 'all' && mcp !== null) {
    const modelBehind = (context: Context): Caller => ({ ...keys.callerOf(context.req.raw.headers), channel: 'mcp' });
    app.all('/mcp', async (context) => {
      const caller = modelBehind(context);
      return mcp.fetch(await bounded(context.req.raw), caller);
    });
    for (const path of ['/sse', '/messages']) {
      app.all(path, async (context) => {
        await mcp.sse(context.env.incoming, context.env.outgoing, modelBehind(context));
        return RESPONSE_ALREADY_SENT;
      });
    }
  }
  refuseOtherMethods(app);

  return {
    fetch: (request, env) => app.fetch(request, env),
    async endWaits() {
      closing.abort();
      await closePage();
    },
    close: () => refusals.flush(),
  };
}

const scriptCaller: Caller = { principal: 'agent', channel: 'http', keyId: null, person: null };

const callOf = (context: Context<Env>, caller: Caller): CallContext => ({
  caller,
  signal: context.req.raw.signal,
  closing: context.get('closing'),
  traceparent: validTraceparent(context.req.header('traceparent')),
});

function addOperations(
  app: Hono<Env>,
  dispatcher: Dispatcher,
  { keys, refusals }: { keys: KeyRing; refusals: RefusalCount },
): void {
  app.get('/openapi.json', (context) => {
    keys.callerOf(context.req.raw.headers);
    return context.json(openApiDocument(dispatcher.version));
  });

  app.get('/metrics', async (context) => {
    keys.callerOf(context.req.raw.headers);
    const { metricsText } = await import('./metrics.js');
    const { contentType, text } = await metricsText(dispatcher, refusals);
    return context.text(text, 200, { 'Content-Type': contentType });
  });

  app.post('/mcp/acknowledge', async (context) => {
    const call = callOf(context, keys.callerOf(context.req.raw.headers));
    const answer = await invoke(dispatcher, acknowledge, await readBody(context), call);
    const token = answer.ack_id === null ? {} : { ack_token: await ackTokenFor(dispatcher, answer.ack_id) };
    return context.json({ ok: true, ...answer, ...token });
  });

  for (const route of routes) {
    app.on(route.method.toUpperCase(), route.path, async (context) => {
      const call = callOf(context, keys.callerOf(context.req.raw.headers));
      const input = await inputOf(context, route);
      if (wantsStream(context, route))
        return streamLogs(context, dispatcher, { input, closing: context.get('closing') });
      const answer = await invoke(dispatcher, route.operation, input, call);
      return context.json({ ok: true, ...answer }, statusOf(route.operation, answer));
    });
  }
}

/** Loaded at the first visit: a process that nobody looks at never pays for it. Answers the way to close it. */
function addPage(app: Hono<Env>, dispatcher: Dispatcher, keys: KeyRing): () => Promise<void> {
  const load = once(() => import('./page/index.js').then(({ createPage }) => createPage(dispatcher, keys)));
  app.get('/', (context) => context.redirect('/ui', 302));
  for (const path of ['/ui', '/ui/*'])
    app.all(path, async (context) => (await load()).fetch(context.req.raw, context.get('dialed')));
  return async () => (await load.begun)?.close();
}

async function inputOf(context: Context, { method, operation, params = {} }: Route): Promise<JsonObject> {
  const given = method === 'get' ? readQuery(context, operation.input.shape) : await readBody(context);
  const fromPath = Object.entries(params).map(([name, field]) => [field, context.req.param(name) ?? '']);
  const doubled = fromPath.find(([field, value]) => field !== undefined && field in given && given[field] !== value);
  if (doubled !== undefined)
    throw new DispatcherError(
      'invalid_input',
      `${doubled[0]} stands in the path and differs in the ${method === 'get' ? 'query' : 'body'}.`,
      { hint: 'Give it in the path alone.' },
    );
  return { ...given, ...Object.fromEntries(fromPath) };
}

/** Not for HEAD, whose body nobody reads: a stream would then wait for ever. */
const wantsStream = (context: Context, { path }: Route): boolean =>
  path === '/tasks/:id/logs' &&
  context.req.method === 'GET' &&
  (context.req.header('accept') ?? '').includes('text/event-stream');

const statusOf = (operation: AnyOperation, answer: { created?: boolean }): 200 | 201 =>
  operation.name === createTask.name && answer.created === true ? 201 : 200;

/** A known path with another method says which ones it has (RFC 9110 section 15.5.6). */
function refuseOtherMethods(app: Hono<Env>): void {
  const methods = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue;
    const known = methods.get(path) ?? new Set();
    methods.set(path, known.add(method));
    if (method === 'GET') known.add('HEAD');
  }
  for (const [path, known] of methods) {
    app.all(path, (context) => {
      context.header('Allow', [...known].join(', '));
      throw new DispatcherError('method_not_allowed', `${path} does not take ${context.req.method}.`, {
        hint: `It takes ${[...known].join(', ')}.`,
      });
    });
  }
}

const noRoute = (context: Context): DispatcherError =>
  new DispatcherError('not_found', `There is nothing at ${context.req.path}.`, {
    hint: 'GET /openapi.json lists the routes; the page is at /ui.',
  });
