// The one way in which integrations speak HTTP: a timeout, retries that respect the service's wishes, typed errors without secrets.
// A redirect is never followed, since a key in a header of its own would follow along.
import { DispatcherError } from '../errors.js';
import { createRedactor } from '../redact.js';
import type { JsonValue } from '../tasks/outcome.js';
import { realTime, type Time } from './time.js';

export interface HttpOptions {
  /** The service's name in messages. */
  service: string;
  baseUrl: string;
  headers: Record<string, string>;
  /** Never shown, also where the service echoes them. */
  secrets: readonly string[];
  time?: Time;
  timeoutMs?: number;
  /** How long a 429 or 503 without any wish of the service is waited out; default: a growing pause. */
  defaultWaitMs?: number;
  /** Awaited before each attempt. */
  before?: (signal: AbortSignal | undefined) => Promise<void>;
  /** Told when the service asks for a pause. */
  onWait?: (ms: number) => void;
}

export interface HttpRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH';
  /** Below the base URL, each part already encoded. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  json?: JsonValue;
  bytes?: Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
  /**
   * What may be sent again when nobody knows whether it arrived: `always`, or `unless_timeout` for work that may
   * still be going on. A refusal by 429 is always tried again: it was not taken.
   */
  repeat: 'always' | 'unless_timeout' | 'never';
  timeoutMs?: number;
  /** Statuses that are an answer; default 200 to 299. */
  accept?: (status: number) => boolean;
  signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  bytes: Uint8Array;
  text(): string;
  /** @throws DispatcherError `upstream` where the body is no JSON */
  json<T = JsonValue>(): T;
}

export interface Http {
  /** @throws DispatcherError `unauthorized`, `not_found`, `rate_limited`, `upstream` */
  request(request: HttpRequest): Promise<HttpAnswer>;
}

const attempts = 4;
const longestWaitMs = 60_000;
const largestAnswer = 16 * 1024 * 1024;

/** Why an attempt came to nothing. `waitMs` is the service's own wish. */
interface Failure {
  error: DispatcherError;
  again: boolean;
  waitMs: number | null;
}

export function createHttp({
  service,
  baseUrl,
  headers,
  secrets,
  time = realTime,
  timeoutMs = 30_000,
  defaultWaitMs,
  before = async () => {},
  onWait = () => {},
}: HttpOptions): Http {
  const redact = createRedactor(secrets);

  const attempt = async (request: HttpRequest): Promise<HttpAnswer | Failure> => {
    const limit = AbortSignal.timeout(request.timeoutMs ?? timeoutMs);
    const signal = request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]);
    let response: Response;
    let bytes: Uint8Array;
    try {
      response = await fetch(urlOf(baseUrl, request), { ...initOf(request, headers), signal });
      bytes = await readAll(response);
    } catch (error) {
      request.signal?.throwIfAborted();
      if (error instanceof DispatcherError) throw error;
      return limit.aborted ? timedOut(service, request) : notReached(service, request, error);
    }
    const answer = answerOf(service, response, bytes);
    const accepted = request.accept?.(response.status) ?? response.ok;
    return accepted ? answer : refused(service, request, answer, redact);
  };

  return {
    async request(request) {
      for (let tried = 1; ; tried++) {
        await before(request.signal);
        const outcome = await attempt(request);
        if (!('error' in outcome)) return outcome;
        const waitMs =
          outcome.waitMs ?? waitOf(tried, outcome.error.code === 'rate_limited' ? defaultWaitMs : undefined);
        if (!outcome.again || tried === attempts || waitMs > longestWaitMs) throw outcome.error;
        if (outcome.error.code === 'rate_limited') onWait(waitMs);
        await time.pause(waitMs, request.signal);
      }
    },
  };
}

/** Grows from half a second, with up to half of it again at random so that callers drift apart. */
const waitOf = (tried: number, fixed: number | undefined): number =>
  fixed ?? 500 * 2 ** (tried - 1) * (1 + Math.random() / 2);

function urlOf(baseUrl: string, { path, query = {} }: HttpRequest): URL {
  const url = new URL(baseUrl);
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`;
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.append(name, String(value));
  }
  return url;
}

function initOf({ method, json, bytes, headers }: HttpRequest, common: Record<string, string>): RequestInit {
  const type =
    json !== undefined
      ? { 'content-type': 'application/json' }
      : bytes !== undefined
        ? { 'content-type': 'application/octet-stream' }
        : {};
  const body = json !== undefined ? JSON.stringify(json) : bytes;
  return {
    method,
    headers: { accept: 'application/json', 'user-agent': 'doe-dispatcher', ...type, ...common, ...headers },
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  };
}

async function readAll(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > largestAnswer) {
      throw new DispatcherError('upstream', `The service answered more than ${largestAnswer / 1024 / 1024} MiB.`, {
        hint: 'Ask for less at once.',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const answerOf = (service: string, response: Response, bytes: Uint8Array): HttpAnswer => {
  const text = () => Buffer.from(bytes).toString('utf8');
  return {
    status: response.status,
    headers: response.headers,
    bytes,
    text,
    json<T>() {
      try {
        return JSON.parse(text()) as T;
      } catch (error) {
        throw new DispatcherError(
          'upstream',
          `${service} answered ${response.status} with something that is no JSON.`,
          {
            cause: error,
          },
        );
      }
    },
  };
};

const timedOut = (service: string, { method, path, repeat }: HttpRequest): Failure => ({
  error: new DispatcherError('upstream', `${service} did not answer ${method} ${path} in time.`, {
    hint: 'It may have been done all the same: look before trying again.',
  }),
  again: repeat === 'always',
  waitMs: null,
});

const notReached = (service: string, { repeat }: HttpRequest, error: unknown): Failure => ({
  error: new DispatcherError('upstream', `${service} could not be reached: ${reasonOf(error)}.`, {
    hint: 'Check the network, and whether the service is up.',
    cause: error,
  }),
  again: repeat !== 'never',
  waitMs: null,
});

/** fetch hides the system's reason in `cause`. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as Error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
}

function refused(
  service: string,
  { method, path, repeat }: HttpRequest,
  answer: HttpAnswer,
  redact: (text: string) => string,
): Failure {
  const { status } = answer;
  const said = redact(messageOf(answer));
  const fail = (code: 'unauthorized' | 'not_found' | 'rate_limited' | 'upstream', what: string, hint: string) =>
    new DispatcherError(code, `${service} ${what}${said === '' ? '' : `: ${said}`}`, {
      hint,
      details: { service, status },
    });
  const waitMs = wishOf(answer.headers);
  if (status === 401 || status === 403) {
    const error = fail(
      'unauthorized',
      `refused the key (${status})`,
      'An operator checks the key and its rights in the settings.',
    );
    return { error, again: false, waitMs: null };
  }
  if (status === 404) {
    return {
      error: fail('not_found', `does not know ${method} ${path}`, 'Check the names and ids in the input.'),
      again: false,
      waitMs: null,
    };
  }
  if (status === 429) {
    const error = fail('rate_limited', 'takes no more requests for now', 'Try again later, with fewer calls.');
    return { error, again: true, waitMs };
  }
  const error = fail('upstream', `answered ${status}`, status < 500 ? 'Correct the input.' : 'Try again later.');
  return { error, again: status >= 500 && status !== 501 && repeat !== 'never', waitMs };
}

/**
 * How long the service asks to wait: `Retry-After` as seconds or a date (RFC 9110 section 10.2.3),
 * else the reset time that some send. Null where it says nothing.
 */
function wishOf(headers: Headers): number | null {
  const after = headers.get('retry-after');
  if (after !== null) return /^\d+$/.test(after.trim()) ? Number(after) * 1000 : untilDate(Date.parse(after));
  const reset = headers.get('x-ratelimit-reset');
  if (headers.get('x-ratelimit-remaining') !== '0' || reset === null) return null;
  return untilDate(/^\d+$/.test(reset) ? Number(reset) * 1000 : Date.parse(reset));
}

const untilDate = (epochMs: number): number | null =>
  Number.isNaN(epochMs) ? null : Math.max(0, epochMs - Date.now());

const longestMessage = 300;

/** What the service says went wrong, wherever it puts that; short, and empty where it says nothing. */
function messageOf(answer: HttpAnswer): string {
  const text = answer.text();
  let said: unknown;
  try {
    const body = JSON.parse(text) as { message?: unknown; error?: unknown; detail?: unknown } | null;
    const error = body?.error;
    said =
      body?.message ??
      (typeof error === 'object' && error !== null ? (error as { message?: unknown }).message : error) ??
      body?.detail;
  } catch {
    // A page of a proxy in between says nothing that helps.
    said = answer.headers.get('content-type')?.startsWith('text/plain') ? text : '';
  }
  return (typeof said === 'string' ? said : said === undefined ? '' : JSON.stringify(said)).slice(0, longestMessage);
}
