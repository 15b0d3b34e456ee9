// The command line's way to a running bridge. Nothing secret is sent before the other side has proved that it knows the home's secret.
import type { z } from 'zod';
import type { Config } from '../config.js';
import { DispatcherError, isErrorCode } from '../errors.js';
import type { AnyOperation } from '../tools/operation.js';
import { version } from '../version.js';
import { type Health, locateBridge } from './locate-bridge.js';
import { withNearest } from './unknown-name.js';

/** What the bridge answers for an operation. */
export type Answer<O extends AnyOperation> = z.input<O['output']>;

export interface Query {
  [name: string]: string | number | undefined;
}

export interface Bridge {
  readonly url: string;
  readonly health: Health;
  /** @throws DispatcherError the bridge's own refusal, or `bridge_unreachable` */
  get<O extends AnyOperation>(path: string, query?: Query): Promise<Answer<O>>;
  post<O extends AnyOperation>(path: string, body?: object): Promise<Answer<O>>;
}

/** Longer than the longest wait that the bridge itself allows. */
const answerTimeoutMs = 60_000;

/** @throws DispatcherError `bridge_unreachable`, `bridge_not_ours`, `unauthorized` where the home has no key */
export async function connectBridge(config: Config): Promise<Bridge> {
  const key = (config.operatorKeys[0] ?? config.agentKeys[0])?.key;
  if (key === undefined) {
    throw new DispatcherError('unauthorized', 'This home has no key: MCP_API_KEY is not set.', {
      hint: 'Run `doe init` in the home, or set MCP_API_KEY.',
    });
  }
  const { url, health } = await locateBridge(config);
  const request = async (path: string, init: RequestInit): Promise<unknown> => {
    const answer = await send(`${url}${path}`, init, key);
    if (answer.ok === true) return answer;
    throw refusalOf(answer);
  };
  const bridge: Bridge = {
    url,
    health,
    get: async <O extends AnyOperation>(path: string, query: Query = {}) => {
      const given = Object.entries(query).filter(([, value]) => value !== undefined);
      const search = new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
      return (await withNearest(bridge, path, () =>
        request(given.length === 0 ? path : `${path}?${search}`, { method: 'GET' }),
      )) as Answer<O>;
    },
    post: async <O extends AnyOperation>(path: string, body: object = {}) =>
      (await withNearest(bridge, path, () =>
        request(path, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
        }),
      )) as Answer<O>,
  };
  return bridge;
}

interface Reply {
  ok?: unknown;
  code?: unknown;
  error?: unknown;
  hint?: unknown;
  details?: unknown;
}

async function send(url: string, init: RequestInit, key: string): Promise<Reply> {
  const headers = { ...init.headers, 'x-api-key': key, 'user-agent': `doe-cli/${version}` };
  try {
    const response = await fetch(url, {
      ...init,
      headers,
      // A redirect would carry the key to a place that has proved nothing.
      redirect: 'error',
      signal: AbortSignal.timeout(answerTimeoutMs),
    });
    return (await response.json()) as Reply;
  } catch (cause) {
    throw new DispatcherError('bridge_unreachable', `The bridge at ${new URL(url).origin} stopped answering.`, {
      hint: 'See whether `doe serve` still runs. Tasks that were made are kept; `doe tasks` lists them.',
      cause,
    });
  }
}

/** The bridge's error as ours, with the same code and so the same exit code. */
function refusalOf({ code, error, hint, details }: Reply): DispatcherError {
  return new DispatcherError(
    isErrorCode(code) ? code : 'upstream',
    String(error ?? 'The bridge refused and said no more.'),
    {
      ...(typeof hint === 'string' ? { hint } : {}),
      ...(details !== null && typeof details === 'object' ? { details: details as Record<string, unknown> } : {}),
    },
  );
}
