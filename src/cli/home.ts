// From the options of a command to its home, its settings, and, where no bridge is needed, its dispatcher.
import type { App } from '../app.js';
import { type Config, loadConfig, secretValues } from '../config.js';
import { findHome } from '../home.js';
import { createLog, type Log } from '../log.js';
import { createRedactor } from '../redact.js';
import type { Caller } from '../tasks/task.js';
import type { CallContext } from '../tools/operation.js';
import { surroundings, userName } from './environment.js';

/** What every command takes. */
export interface CommonOptions {
  home?: string;
  json?: boolean;
}

/** @throws DispatcherError `home_not_found`, `config_invalid` */
export async function settingsOf({ home }: CommonOptions): Promise<Config> {
  return loadConfig(await findHome(home, surroundings()));
}

/** The log of a process, with every secret of its home taken out. */
export const logOf = (config: Config): Log =>
  createLog({ level: config.logLevel, redact: createRedactor(secretValues(config)) });

/** The person at this terminal, who can read the home's secrets and needs no key to prove it. */
export const terminalCall = (): CallContext => {
  const caller: Caller = { principal: 'operator', channel: 'terminal', keyId: null, person: userName() };
  return { caller };
};

/** Opens the home's dispatcher for one piece of work, without a bridge, and closes it again. */
export async function withDispatcher<T>(
  config: Config,
  work: (dispatcher: App['dispatcher']) => Promise<T>,
): Promise<T> {
  // Loaded here: most commands speak to a bridge and need none of it.
  const { createApp } = await import('../app.js');
  const log = createLog({ level: 'warn', redact: createRedactor(secretValues(config)) });
  const app = await createApp({ config, kind: 'command', log });
  try {
    return await work(app.dispatcher);
  } finally {
    await app.stop();
  }
}

/** Who stands in the record where no name was given: the name of the key, else of the operating system's user. */
export const actorOf = ({ operatorKeys }: Config): string => operatorKeys[0]?.name ?? userName();
