// `doe serve`: bridge, page, MCP over HTTP and the worker, until a signal ends it.
import { keyIdOf } from '../acks/keys.js';
import { type App, createApp } from '../app.js';
import { type Config, loadConfig } from '../config.js';
import { DispatcherError } from '../errors.js';
import { findHome } from '../home.js';
import { ensureSecrets } from '../home-secrets.js';
import type { Log } from '../log.js';
import type { Caller } from '../tasks/task.js';
import { openPage } from '../tools/index.js';
import { invoke } from '../tools/operation.js';
import { surroundings } from './environment.js';
import { type CommonOptions, logOf } from './home.js';
import { note } from './output.js';
import { whoListens } from './port-owner.js';
import { awaitEnding } from './signals.js';
import { bold } from './text.js';

export interface ServeOptions extends CommonOptions {
  /** False for `--no-worker`. */
  worker: boolean;
  /** Seconds that running scripts get when it stops. */
  grace: number;
}

export async function run(options: ServeOptions): Promise<void> {
  const home = await findHome(options.home, surroundings());
  const made = await ensureSecrets(home);
  const config = loadConfig(home);
  const log = logOf(config);
  if (made.length > 0) log.info('secrets.made', { names: made, file: '.env' });
  const ending = awaitEnding();
  const app = await createApp({ config, kind: 'serve', log, noWorker: !options.worker });
  try {
    await app.start().catch((error: unknown) => explainPort(error, config));
    await announce(app, log);
    const reason = await ending.wished;
    log.info('serve.stopping', { reason, grace_s: options.grace });
  } finally {
    await app.stop({ graceMs: options.grace * 1000 });
  }
  log.info('serve.stopped');
}

async function announce(app: App, log: Log): Promise<void> {
  const { address, workerState, dispatcher } = app;
  const { config } = dispatcher;
  const page = await dispatcher.pageAddress();
  if (process.stderr.isTTY !== true) {
    log.info('serve.ready', { address, page: `${page}/ui`, worker: workerState, home: config.home });
    return;
  }
  const link = await signInLink(app, log);
  if (link !== null) note(`Sign in once, within a minute: ${link}`);
  note(`${bold('doe')} serves ${config.home}`);
  note(`  bridge  ${address}`);
  note(`  page    ${page}/ui   (\`doe open\` gives a fresh link)`);
  note(`  worker  ${workerState}`);
  note('Ctrl-C stops it; a second one at once.');
}

/** For the person at this terminal, who holds the home's keys anyway. Null where there is none, or no link now: that is no reason to stop. */
export async function signInLink({ dispatcher }: Pick<App, 'dispatcher'>, log: Log): Promise<string | null> {
  const [operator] = dispatcher.config.operatorKeys;
  if (operator === undefined) return null;
  const { key, name: person } = operator;
  const caller: Caller = { principal: 'operator', channel: 'terminal', keyId: keyIdOf(key), person };
  try {
    return (await invoke(dispatcher, openPage, {}, { caller })).url;
  } catch (error) {
    log.warn('serve.no_sign_in_link', { error });
    return null;
  }
}

async function explainPort(error: unknown, { host, port }: Config): Promise<never> {
  if (!(error instanceof DispatcherError) || error.code !== 'port_in_use') throw error;
  const by = await whoListens(host, port);
  throw new DispatcherError('port_in_use', `${host}:${port} is taken by ${by}.`, {
    hint: `Stop it, or set PORT to another one (PORT=0 takes a free one). \`ss -ltnp 'sport = :${port}'\` shows more.`,
    cause: error,
  });
}
