// `doe mcp`: MCP over stdio, with the worker and the page in the same process. Stdout belongs to the protocol.
// A client may start it anywhere, also in a stranger's folder: it takes only a home that was named, and never lays one out.
import type { App } from '../app.js';
import { loadConfig } from '../config.js';
import { DispatcherError } from '../errors.js';
import { namedHome } from '../home.js';
import { createLog, type Log } from '../log.js';
import { surroundings } from './environment.js';
import { type CommonOptions, logOf } from './home.js';
import { awaitEnding } from './signals.js';

const graceMs = 2000;

export async function run({ home }: CommonOptions): Promise<void> {
  const ending = awaitEnding();
  let log = createLog();
  const starting = start(home, (better) => {
    log = better;
  });
  const opened = starting.catch((error: unknown) => {
    log.error('mcp.unavailable', { error });
    return null;
  });
  // The client is answered while the home is still being opened.
  const { serveStdio } = await import('../mcp/serve-stdio.js');
  const dispatcher = starting.then((app) => app.dispatcher);
  const server = serveStdio({ dispatcher, log, onEnd: () => ending.wish('stdin ended') });
  const app = await opened;
  log.info('mcp.stopping', { reason: await ending.wished });
  await server.close();
  await app?.stop({ graceMs });
  // Whatever still holds the event loop is no reason to outlive the client.
  process.exit(0);
}

/** Opens the named home and starts what works in it; rejects with the reason, which every tool then tells. */
async function start(given: string | undefined, use: (log: Log) => void): Promise<App> {
  const home = namedHome(given, surroundings());
  if (home === null) throw noHome();
  const { ensureSecrets } = await import('../home-secrets.js');
  await ensureSecrets(home);
  const config = loadConfig(home);
  const log = logOf(config);
  use(log);
  const { createApp } = await import('../app.js');
  const app = await createApp({ config, kind: 'mcp', log });
  await app.start();
  return app;
}

const noHome = (): DispatcherError =>
  new DispatcherError('home_not_found', 'doe mcp was started without a home.', {
    hint: 'Ask the person to run `doe init --home DIR` once and to add `--home DIR` to the arguments of `doe mcp` in the client’s configuration (or to set DOE_HOME there).',
  });
