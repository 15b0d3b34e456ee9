// `doe mcp`: MCP over stdio, with the worker and the page in the same process. Stdout belongs to the protocol.
// A client may start it anywhere, also in a stranger's folder: it takes only a home that was named, and never lays one out.
import { setTimeout as delay } from 'node:timers/promises';
import type { App } from '../app.js';
import { DispatcherError } from '../errors.js';
import { createLog, type Log } from '../log.js';
import { surroundings } from './environment.js';
import type { CommonOptions } from './home.js';
import { awaitEnding } from './signals.js';

const graceMs = 2000;
/** The home is opened by the first call that needs it, and at the latest so long after the start: a mere probe is gone by then. */
const probeMs = 1000;

export async function run({ home }: CommonOptions): Promise<void> {
  const ending = awaitEnding();
  // A client that dies takes its pipes along. That ends a command that only prints; here scripts get their time first.
  for (const stream of [process.stdout, process.stderr])
    stream.removeAllListeners('error').on('error', () => ending.wish('the client is gone'));
  let log = createLog();
  const opening = postpone(() =>
    start(home, (better) => {
      log = better;
    }),
  );
  opening.result.catch((error: unknown) =>
    log.error('mcp.unavailable', { error, hint: error instanceof DispatcherError ? error.hint : undefined }),
  );
  const { serveStdio } = await import('../mcp/serve-stdio.js');
  const dispatcher = opening.result.then((app) => app.dispatcher);
  const server = serveStdio({ dispatcher, need: opening.begin, log, onEnd: () => ending.wish('stdin ended') });
  const timer = setTimeout(opening.begin, probeMs);
  log.info('mcp.stopping', { reason: await ending.wished });
  clearTimeout(timer);
  const answered = server.finish();
  // What was asked may be on its way still: whether it needs the home, and so what must be stopped, shows only now.
  await Promise.race([answered, opening.asked, delay(graceMs)]);
  const app = opening.begun ? await opening.result.catch(() => null) : null;
  // What goes wrong from here on stands in the log.
  const lineOver = Promise.race([answered, delay(graceMs)]).then(() => server.close());
  await Promise.all([app?.stop({ graceMs, until: lineOver }).catch(() => {}), lineOver]);
  // Whatever still holds the event loop is no reason to outlive the client.
  process.exit(0);
}

interface Postponed<T> {
  /** Pending until `begin`, as `result` is. */
  asked: Promise<void>;
  result: Promise<T>;
  readonly begun: boolean;
  begin(): void;
}

function postpone<T>(job: () => Promise<T>): Postponed<T> {
  let begun = false;
  let begin = () => {};
  const told = new Promise<void>((resolve) => {
    begin = () => {
      begun = true;
      resolve();
    };
  });
  return {
    asked: told,
    result: told.then(job),
    get begun() {
      return begun;
    },
    begin,
  };
}

/** Opens the named home and starts what works in it; rejects with the reason, which every tool then tells. */
async function start(given: string | undefined, use: (log: Log) => void): Promise<App> {
  // What the client's first questions do not need is loaded only now.
  const [{ namedHome }, { ensureSecrets }, { loadConfig }, { logOf }, { createApp }] = await Promise.all([
    import('../home.js'),
    import('../home-secrets.js'),
    import('../config.js'),
    import('./home.js'),
    import('../app.js'),
  ]);
  const home = namedHome(given, surroundings());
  if (home === null) throw noHome();
  await ensureSecrets(home);
  const config = loadConfig(home);
  const log = logOf(config);
  use(log);
  const app = await createApp({ config, kind: 'mcp', log });
  await app.start();
  return app;
}

const noHome = (): DispatcherError =>
  new DispatcherError('home_not_found', 'doe mcp was started without a home.', {
    hint: 'Ask the person to run `doe init --home DIR` once and to add `--home DIR` to the arguments of `doe mcp` in the client’s configuration (or to set DOE_HOME there).',
  });
