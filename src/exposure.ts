// How far a bridge may be reachable with the keys that it has. On loopback a short key is a warning, beyond it a refusal.
import type { Config, NamedKey } from './config.js';
import { DispatcherError } from './errors.js';
import type { Log } from './log.js';

const enoughCharacters = 32;

/** Whether only programs of this machine reach the host. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);

/** The settings that hold a key which could be guessed. */
export function shortKeySettings({ operatorKeys, agentKeys }: Pick<Config, 'operatorKeys' | 'agentKeys'>): string[] {
  const short = ({ key }: NamedKey) => key.length < enoughCharacters;
  return [...(operatorKeys.some(short) ? ['MCP_API_KEY'] : []), ...(agentKeys.some(short) ? ['MCP_AGENT_KEY'] : [])];
}

/** @throws DispatcherError `config_invalid` beyond loopback with a short key */
export function assertKeysFit(config: Config, log: Log): void {
  const settings = shortKeySettings(config).join(' and ');
  if (settings === '') return;
  const why = `${settings} holds a key of fewer than ${enoughCharacters} characters`;
  const hint = 'Make one with `openssl rand -base64 36` and put it into the .env of the home.';
  if (!isLoopback(config.host)) {
    throw new DispatcherError(
      'config_invalid',
      `HOST is ${config.host}, and ${why}: whoever reaches it could guess it.`,
      {
        hint: `${hint} Or listen on 127.0.0.1 alone.`,
      },
    );
  }
  log.warn('keys.short', { settings, why, hint });
}
