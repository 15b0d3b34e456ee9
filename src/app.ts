// The root: builds every adapter, hands them in, and closes them in reverse order.

import { createAcks } from './acks/issue.js';
import { assertStrongSecret } from './acks/keys.js';
import { rememberSecret } from './acks/rotation.js';
import { configuredAddress } from './address.js';
import { createAnnealer } from './anneal/bundle.js';
import { createAutomations } from './automations/runner.js';
import { type Clock, systemClock } from './clock.js';
import { type Config, secretValues } from './config.js';
import { createDirectives } from './directives/load.js';
import { DispatcherError } from './errors.js';
import { assertKeysFit } from './exposure.js';
import { underPageName } from './http-bridge/host-origin.js';
import type { McpHttp } from './http-bridge/index.js';
import type { Listener } from './http-bridge/listen.js';
import type { Integration } from './integrations/index.js';
import { knownIntegrations } from './integrations/known.js';
import { createIntegrations } from './integrations/registry.js';
import type { Log } from './log.js';
import { once } from './once.js';
import { createPresence } from './presence.js';
import { openStore } from './queue/index.js';
import type { ProcessKind } from './queue/store.js';
import { createRedactor } from './redact.js';
import type { Dispatcher } from './tools/dispatcher.js';
import { version } from './version.js';
import type { WorkerLoop } from './worker/index.js';

export interface AppOptions {
  config: Config;
  /** `command`: the dispatcher alone, for a command that works without a bridge. */
  kind: ProcessKind | 'command';
  log: Log;
  clock?: Clock;
  /** `doe serve --no-worker`. */
  noWorker?: boolean;
  /** In place of the known ones, such as those of a service elsewhere. */
  integrations?: readonly Integration[];
}

export interface App {
  readonly dispatcher: Dispatcher;
  /** Where people and programs reach this process; null before `start`, and for a worker alone. */
  readonly address: string | null;
  readonly workerState: WorkerLoop['state'];
  /**
   * Listens, joins the home's living processes and starts the worker.
   * @throws DispatcherError `port_in_use`; nothing is left running then
   */
  start(): Promise<void>;
  /**
   * Stops in reverse order; settles when no script of this process runs any more and nothing listens. What cannot be closed hinders
   * nothing else: the first such fault is thrown at the end. Calling it again is the same stop.
   * `until` goes on while the scripts end, and is waited for before anything but the worker is closed.
   */
  stop(options?: { graceMs?: number; until?: Promise<void> }): Promise<void>;
}

/**
 * Opens a home's store and builds the dispatcher on it. Nothing listens and nothing runs until `start`.
 * @throws DispatcherError `secret_weak`, `secret_mismatch`, `database_newer`, `home_not_writable`, …
 */
export async function createApp({
  config,
  kind,
  log,
  clock = systemClock,
  noWorker = false,
  integrations: services,
}: AppOptions): Promise<App> {
  const secret = requireSecret(config);
  const store = await openStore({ home: config.home, databaseUrl: config.databaseUrl, clock, log });
  const closers: (() => Promise<void>)[] = [() => store.close()];
  /** Each has its turn, whatever became of the others: a port that stays open would go on answering. Throws the first fault. */
  const closeAll = async () => {
    const faults: unknown[] = [];
    for (const close of closers.splice(0).reverse()) await close().catch((error: unknown) => void faults.push(error));
    for (const error of faults) log.warn('app.close_failed', { error });
    if (faults.length > 0) throw faults[0];
  };
  /** After a fault that is thrown itself: what else goes wrong is in the log. */
  const giveUp = async (fault: unknown): Promise<never> => {
    await closeAll().catch(() => {});
    throw fault;
  };
  try {
    const acks = await createAcks({
      secret,
      previousSecret: config.previousSecret,
      homeId: await store.ledger.homeId(),
    });
    await rememberSecret(store, acks);

    const redact = createRedactor(secretValues(config));
    const directives = createDirectives({ home: config.home, log });
    closers.push(() => directives.close());
    const integrations = createIntegrations(services ?? knownIntegrations(config));
    const automations = createAutomations({ config, store, integrations, log, redact });
    closers.push(() => automations.close());
    const annealer = createAnnealer({ home: config.home, store, redact, log });
    const presence = createPresence({
      store,
      kind,
      version,
      leaseMs: config.leaseMs,
      configured: configuredAddress(config),
      clock,
      log,
    });

    const dispatcher: Dispatcher = {
      config,
      version,
      clock,
      log,
      store,
      directives,
      acks,
      annealer,
      automations,
      integrations,
      redact,
      processes: presence.processes,
      pageAddress: async () => config.publicUrl ?? underPageName(await presence.pageAddress()),
      // The plain address: programs know it too. The page leads a browser on to its own name.
      approveUrl: async (taskId) =>
        `${config.publicUrl ?? (await presence.pageAddress())}/ui/approvals/${encodeURIComponent(taskId)}`,
    };

    let worker: WorkerLoop | null = null;
    let ending = { graceMs: 0, until: Promise.resolve() };
    // Of several that start at once each must see that the others' workers are coming.
    let awaited: WorkerLoop['state'] = 'off';
    const workerState = () => worker?.state ?? awaited;

    const start = async () => {
      if (kind === 'command') throw new Error('A command has nothing to start.');
      if (kind === 'serve') assertKeysFit(config, log);
      const own = await listenForScripts();
      const main = kind === 'serve' ? await listenForAll(config.host, config.port) : own;
      if (!noWorker) awaited = 'standby';
      await presence.join(kind === 'worker' ? null : main.address, workerState);
      closers.push(() => presence.leave());
      if (config.webhook !== null) await startWebhook(config.webhook);
      closers.push(() => ending.until);
      if (!noWorker) await startWorker(own);
    };

    const listeners: Listener[] = [];
    const ownAddresses = () => listeners.flatMap(({ addresses }) => addresses);
    const open = async (scope: 'all' | 'scripts', host: string, port: number): Promise<Listener> => {
      const [{ createHttpApp }, { listen }] = await Promise.all([
        import('./http-bridge/index.js'),
        import('./http-bridge/listen.js'),
      ]);
      const mcp = scope === 'all' ? mcpWhenAsked(dispatcher) : null;
      if (mcp !== null) closers.push(() => mcp.close());
      const app = createHttpApp({ dispatcher, scope, ownAddresses, worker: workerState, mcp });
      closers.push(app.close);
      const listener = await listen(app.fetch, { host, port });
      listeners.push(listener);
      closers.push(() => listener.close(() => Promise.all([app.endWaits(), mcp?.close()]).then(() => {})));
      return listener;
    };
    // The scripts' own port serves everything where no `doe serve` does, so that a person can decide on the page of a `doe mcp`.
    const listenForScripts = () => open(kind === 'mcp' ? 'all' : 'scripts', '127.0.0.1', 0);
    const listenForAll = (host: string, port: number) => open('all', host, port);

    const startWorker = async (own: Listener) => {
      const { createWorker } = await import('./worker/index.js');
      worker = createWorker({
        dispatcher,
        processId: presence.processId,
        scriptUrl: () => own.address,
        leadable: presence.mayLead,
      });
      const { start, stop } = worker;
      closers.push(() => stop({ graceMs: ending.graceMs }));
      await start();
      await presence.beat();
    };

    const startWebhook = async (settings: { url: string; secret: string }) => {
      const { createWebhook } = await import('./integrations/webhook.js');
      const { approveUrl } = dispatcher;
      const webhook = createWebhook({ ...settings, store, approveUrl, clock, log });
      closers.push(() => webhook.stop());
      await webhook.start();
    };

    let stopping: Promise<void> | undefined;
    return {
      dispatcher,
      get address() {
        return kind === 'worker' ? null : (listeners.at(-1)?.address ?? null);
      },
      get workerState() {
        return workerState();
      },
      start: () => start().catch(giveUp),
      stop({ graceMs = 0, until = Promise.resolve() } = {}) {
        ending = { graceMs, until };
        stopping ??= closeAll();
        return stopping;
      },
    };
  } catch (error) {
    return giveUp(error);
  }
}

/** Loaded with its first request: a `doe mcp` is hardly ever asked over HTTP. */
function mcpWhenAsked(dispatcher: Dispatcher): McpHttp {
  const load = once(() => import('./mcp/serve-http.js').then(({ createMcpHttp }) => createMcpHttp(dispatcher)));
  return {
    fetch: async (...request) => (await load()).fetch(...request),
    sse: async (...request) => (await load()).sse(...request),
    close: async () => (await load.begun)?.close(),
  };
}

function requireSecret({ secret, previousSecret }: Config): string {
  if (secret === null) {
    throw new DispatcherError('secret_weak', 'MCP_SECRET is not set.', {
      hint: 'Run `doe init` in the home, or start `doe serve` once: it makes one.',
    });
  }
  assertStrongSecret(secret);
  if (previousSecret !== null) assertStrongSecret(previousSecret, 'MCP_SECRET_PREVIOUS');
  return secret;
}
