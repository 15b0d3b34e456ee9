// Finds the bridge of this home and checks that it is ours: an HMAC over our nonce and the address that we dialed.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { healthProver } from '../acks/health-proof.js';
import { configuredAddress, defaultAddress } from '../address.js';
import { systemClock } from '../clock.js';
import type { Config } from '../config.js';
import { DispatcherError } from '../errors.js';
import { createObserver } from '../living.js';
import type { ProcessRow } from '../queue/store.js';
import { quietLog } from './output.js';

const healthTimeoutMs = 5000;

export interface Health {
  version: string;
  worker: 'on' | 'standby' | 'off';
}

/** @throws DispatcherError `bridge_unreachable`, `bridge_not_ours` */
export async function locateBridge(config: Config): Promise<{ url: string; health: Health }> {
  const { secret } = config;
  if (secret === null) {
    throw new DispatcherError('secret_weak', 'MCP_SECRET is not set, so no bridge can be told from a stranger.', {
      hint: 'Run `doe init` in the home, or start `doe serve` once: it makes one.',
    });
  }
  const candidates =
    config.url === null ? [...(await livingBridges(config)), configuredAddress(config), defaultAddress] : [config.url];
  const strangers: string[] = [];
  for (const url of new Set(candidates.flatMap(dialable))) {
    const answer = await askHealth(url, secret);
    if (answer.is === 'ours') return { url, health: answer.health };
    if (answer.is === 'stranger') strangers.push(url);
  }
  throw strangers.length > 0 ? notOurs(strangers) : unreachable(config);
}

/** `localhost` is either of two addresses: a bridge listens on one and proves that one alone, and a key goes nowhere else. */
const dialable = (url: string): string[] => {
  const name = /^http:\/\/(?:doe\.)?localhost(?=[:/]|$)/i;
  return name.test(url) ? ['127.0.0.1', '[::1]'].map((host) => url.replace(name, `http://${host}`)) : [url];
};

/** Where living processes of this home say that they answer: `doe serve` first, then the newest. */
async function livingBridges(config: Config): Promise<string[]> {
  if (config.databaseUrl === null && !existsSync(join(config.home, 'db.sqlite'))) return [];
  const { openStore } = await import('../queue/index.js');
  const store = await openStore({
    home: config.home,
    databaseUrl: config.databaseUrl,
    clock: systemClock,
    log: quietLog(),
  });
  try {
    const rank = ({ kind }: ProcessRow) => (kind === 'serve' ? 0 : 1);
    const look = createObserver({ ledger: store.ledger, leaseMs: config.leaseMs, clock: systemClock });
    return (await look())
      .filter(({ alive }) => alive)
      .sort((one, other) => rank(one) - rank(other) || other.startedAt - one.startedAt)
      .flatMap(({ address }) => (address === null ? [] : [address]));
  } finally {
    await store.close();
  }
}

type HealthAnswer = { is: 'ours'; health: Health } | { is: 'stranger' } | { is: 'silent' };

/** Asks who answers at an address, and whether it knows the home's secret. */
export async function askHealth(url: string, secret: string): Promise<HealthAnswer> {
  const nonce = randomBytes(24).toString('base64url');
  let response: Response;
  try {
    response = await fetch(`${url}/health?nonce=${nonce}`, {
      redirect: 'manual',
      signal: AbortSignal.timeout(healthTimeoutMs),
    });
  } catch {
    return { is: 'silent' };
  }
  const body = (await response.json().catch(() => null)) as { proof?: unknown } | null;
  const wanted = healthProver(secret)(nonce, new URL(url).origin);
  return typeof body?.proof === 'string' && equal(body.proof, wanted)
    ? { is: 'ours', health: body as unknown as Health }
    : { is: 'stranger' };
}

const equal = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));

const notOurs = (urls: string[]): DispatcherError =>
  new DispatcherError(
    'bridge_not_ours',
    `What answers at ${urls.join(' and ')} is not the bridge of this home: it does not know the home's MCP_SECRET. No key was sent.`,
    { hint: 'Start the bridge with `doe serve` (PORT=… for another port), or name the right one in MCP_URL.' },
  );

const unreachable = ({ url }: Config): DispatcherError =>
  new DispatcherError(
    'bridge_unreachable',
    url === null ? 'No bridge of this home runs.' : `Nothing answers at ${url} (MCP_URL).`,
    { hint: 'Start one with `doe serve`, in another terminal.' },
  );
