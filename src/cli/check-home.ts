// What `doe doctor` asks of a home. Nothing is made or changed: what is not there yet is said to be so.
import { constants, existsSync } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { isAbsolute, join } from 'node:path';
import { assertStrongSecret } from '../acks/keys.js';
import { addressOf } from '../address.js';
import type { Config } from '../config.js';
import { isInside } from '../directives/contain.js';
import { isLoopback, shortKeySettings } from '../exposure.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { trustEntries } from '../tools/trust.js';
import { createInterpreters } from '../worker/interpreters.js';
import { ask } from '../worker/run-script.js';
import { type Finding, ok, refused, warning, wrong } from './finding.js';
import { withDispatcher } from './home.js';
import { askHealth } from './locate-bridge.js';
import { whoListens } from './port-owner.js';

const writableByOthers = 0o022;
const openToOthers = 0o077;

/** Who can write in these folders decides what runs. */
export async function homeFolder(home: string): Promise<Finding> {
  if (!(await may(home, constants.R_OK | constants.W_OK | constants.X_OK)))
    return wrong('home', `${home} cannot be written.`, 'Give the user that runs doe the right to write there.');
  for (const name of ['.', 'directives', 'execution']) {
    const folder = join(home, name);
    if (!(await may(folder, constants.R_OK | constants.X_OK)))
      return wrong('home', `${folder} cannot be read.`, `chmod u+rx ${folder}, or run doe as the user that owns it.`);
    if (((await stat(folder)).mode & writableByOthers) !== 0)
      return warning('home', `Others may write in ${folder}, and so decide what runs.`, `chmod go-w ${folder}`);
  }
  return ok('home', home);
}

export const may = (path: string, mode: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  );

export async function environmentFile(home: string): Promise<Finding> {
  const file = join(home, '.env');
  if (!existsSync(file)) return warning('.env', 'There is none yet.', '`doe init` or the first `doe serve` makes it.');
  const { mode } = await stat(file);
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  return (mode & openToOthers) === 0
    ? ok('.env', `Only its owner can read it (${shown}).`)
    : wrong('.env', `Others can read it (${shown}), and it holds every key.`, `chmod 600 ${file}`);
}

export function secret({ secret, previousSecret }: Config): Finding {
  if (secret === null) return wrong('secret', 'MCP_SECRET is not set.', 'Run `doe init`: it makes one.');
  try {
    assertStrongSecret(secret);
    if (previousSecret !== null) assertStrongSecret(previousSecret, 'MCP_SECRET_PREVIOUS');
    return ok('secret', previousSecret === null ? 'MCP_SECRET is set.' : 'MCP_SECRET and MCP_SECRET_PREVIOUS are set.');
  } catch (error) {
    return refused('secret', error);
  }
}

export function keys(config: Config): Finding {
  const count = config.operatorKeys.length;
  if (count === 0)
    return wrong('keys', 'MCP_API_KEY is not set: no person can decide.', 'Run `doe init`: it makes one.');
  const short = shortKeySettings(config).join(' and ');
  const mend = 'Make a key with `openssl rand -base64 36`.';
  if (short === '') return ok('keys', `${count} operator and ${config.agentKeys.length} agent keys.`);
  return isLoopback(config.host)
    ? warning('keys', `${short} holds a short key.`, mend)
    : wrong('keys', `${short} holds a short key, and HOST is ${config.host}.`, mend);
}

export async function port({ host, port: wanted, secret: known }: Config): Promise<Finding> {
  const place = `${host}:${wanted}`;
  if (await isFree(host, wanted)) return ok('port', `${place} is free for \`doe serve\`.`);
  const answer = known === null ? null : await askHealth(addressOf(host, wanted), known);
  if (answer?.is === 'ours')
    return ok('port', `\`doe serve\` of this home answers at ${place}; its worker is ${answer.health.worker}.`);
  return wrong(
    'port',
    `${place} is taken by ${await whoListens(host, wanted)}.`,
    'Stop it, or set PORT to another one.',
  );
}

const isFree = (host: string, wanted: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(wanted, host, () => server.close(() => resolve(true)));
  });

export async function* interpreters(config: Config): AsyncGenerator<Finding> {
  const { commandFor } = createInterpreters(config.home, config.variables);
  const env = {
    PATH: config.variables.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    HOME: config.variables.HOME ?? '/',
  };
  for (const [name, script] of [
    ['python3', 'x.py'],
    ['bash', 'x.sh'],
  ] as const) {
    try {
      const { file } = await commandFor({ name: script, path: script, text: '' });
      if (isAbsolute(file) && isInside(config.home, file)) {
        // A home that nobody trusts yet may be looked at: nothing of its own is started for that.
        yield ok(name, `${file}, the home's own; not started here`);
        continue;
      }
      const version = await ask(file, ['--version'], { env, cwd: config.home });
      yield version === null
        ? warning(name, `${file} does not start.`, `Install ${name}, if a script of yours needs it.`)
        : ok(name, `${version} (${file})`);
    } catch (error) {
      yield { ...refused(name, error), status: 'warning' };
    }
  }
}

/** What only the store and what stands on it can tell. A home without a database has nothing to tell yet. */
export async function* database(config: Config): AsyncGenerator<Finding> {
  if (config.secret === null) return;
  if (config.databaseUrl === null && !existsSync(join(config.home, 'db.sqlite'))) {
    yield ok('database', 'There is none yet; the first start makes it.');
    return;
  }
  try {
    yield* await withDispatcher(config, async (dispatcher) => [
      await audit(dispatcher),
      await trust(dispatcher),
      ...(await integrations(dispatcher)),
    ]);
  } catch (error) {
    yield refused('database', error);
  }
}

async function audit({ store }: Dispatcher): Promise<Finding> {
  const { faults } = await store.ledger.verify();
  return faults.length === 0
    ? ok('database', 'It opens with this secret, and its audit trail is whole.')
    : wrong(
        'database',
        `Its audit trail was altered in ${faults.length} places.`,
        'Compare it with a backup, and find out who can write to it.',
      );
}

async function trust(dispatcher: Dispatcher): Promise<Finding> {
  const waiting = (await trustEntries(dispatcher)).filter(({ trusted }) => !trusted).map(({ id }) => id);
  return waiting.length === 0
    ? ok('trust', 'Nothing waits for it.')
    : warning('trust', `New or changed: ${waiting.join(', ')}.`, 'Look at them with `doe trust`.');
}

async function integrations({ integrations: known, directives }: Dispatcher): Promise<Finding[]> {
  const wanted = new Set(
    (await directives.list()).flatMap((directive) =>
      directive.kind === 'task' ? directive.frontMatter.integrations : [],
    ),
  );
  return Promise.all(
    known.list().map(async ({ name, check }) => {
      const { configured, ok: accepted, message } = await check();
      const label = `integration ${name}`;
      if (accepted) return ok(label, message);
      if (configured) return wrong(label, message, 'Correct its settings in .env.');
      return wanted.has(name)
        ? warning(label, message, 'A directive uses it: put its settings into .env.')
        : ok(label, 'Not configured, and no directive uses it.');
    }),
  );
}
