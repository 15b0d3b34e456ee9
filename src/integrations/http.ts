// The one way in which integrations speak HTTP: a timeout, retries that respect the service's wishes, typed errors without secrets.
// A redirect is never followed, since a key in a header of its own would follow along.
import type { z } from 'zod';
import { DispatcherError } from '../errors.js';
import { addressSecrets, createRedactor, type Redact } from '../redact.js';
import type { JsonValue } from '../tasks/outcome.js';
import { realTime, type Time } from './time.js';

export interface HttpOptions {
  /** The service's name in messages. */
  service: string;
  baseUrl: string;
  headers: Record<string, string>;
  /** Never shown: they are taken out of answers and errors, also where the service echoes them. */
  secrets: readonly string[];
  /** Taken out of errors alone: too likely to stand in an answer by chance. */
  unsaid?: readonly string[];
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
  /**
   * The body as JSON of this shape. A service that changed, or a stranger in its place, is told here and nowhere later.
   * @throws DispatcherError `upstream` where it is no JSON, or of another shape
   */
  json<T>(shape: z.ZodType<T>): T;
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
  unsaid = [],
  time = realTime,
  timeoutMs = 30_000,
  defaultWaitMs,
  before = async () => {},
  onWait = () => {},
}: HttpOptions): Http {
  const redact = createRedactor(secrets);
  const redactError = createRedactor([...secrets, ...unsaid, ...addressSecrets(baseUrl)]);

  const attempt = async (request: HttpRequest): Promise<HttpAnswer | Failure> => {
    const limit = AbortSignal.timeout(request.timeoutMs ?? timeoutMs);
    const signal = request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]);
    let response: Response;
    let bytes: Uint8Array;
    try {
      response = await fetch(urlOf(baseUrl, request), { ...initOf(request, headers), signal });
      bytes = await readAll(service, response);
    } catch (error) {
      request.signal?.throwIfAborted();
      if (error instanceof DispatcherError) throw error;
      return limit.aborted
        ? timedOut(service, request)
        : notReached(service, request, redactError(reasonOf(error)), error);
    }
    const answer = answerOf({ service, redact }, response, bytes);
    const accepted = request.accept?.(response.status) ?? response.ok;
    return accepted ? answer : refused(service, request, answer, redactError);
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

async function readAll(service: string, response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > largestAnswer) {
      throw new DispatcherError('upstream', `${service} answered more than ${largestAnswer / 1024 / 1024} MiB.`, {
        hint: 'Ask for less at once.',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function answerOf(
  { service, redact }: { service: string; redact: Redact },
  { status, headers }: Response,
  bytes: Uint8Array,
): HttpAnswer {
  // Some put a byte order mark before it, which is no JSON (RFC 8259 section 8.1) and which the decoder takes away.
  const text = () => redact(new TextDecoder().decode(bytes));
  const refuse = (what: string, cause: unknown) =>
    new DispatcherError('upstream', `${service} answered ${status} with ${what}.`, {
      hint: 'See whether the address is right, and whether something stands in between.',
      details: { service, status },
      cause,
    });
  return {
    status,
    headers: new Headers([...headers].map(([name, value]) => [name, redact(value)])),
    bytes,
    text,
    json<T>(shape: z.ZodType<T>) {
      const parsed = shape.safeParse(parsedOr(text(), (cause) => refuse('something that is no JSON', cause)));
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      const where = issue?.path.join('.') || 'the whole';
      throw refuse(`JSON of an unknown shape (${where}: ${issue?.message})`, parsed.error);
    },
  };
}

function parsedOr(text: string, refuse: (cause: unknown) => DispatcherError): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refuse(cause);
  }
}

/** The base URL itself may be a secret: it is not named. */
const place = (method: string, path: string): string => (path === '' ? `the ${method}` : `${method} ${path}`);

const timedOut = (service: string, { method, path, repeat }: HttpRequest): Failure => ({
  error: new DispatcherError('upstream', `${service} did not answer ${place(method, path)} in time.`, {
    hint: maybeDone,
  }),
  again: repeat === 'always',
  waitMs: null,
});

/** Faults before anything was sent. After all others nobody knows whether the request arrived. */
const beforeSending = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

function notReached(service: string, { repeat }: HttpRequest, reason: string, error: unknown): Failure {
  const what = beforeSending.has(reason) ? 'could not be reached' : 'broke the answer off';
  const hint =
    beforeSending.has(reason) || repeat !== 'never' ? 'Check the network, and whether the service is up.' : maybeDone;
  const refusal = new DispatcherError('upstream', `${service} ${what}: ${reason}.`, { hint, cause: error });
  return { error: refusal, again: repeat !== 'never', waitMs: null };
}

const maybeDone = 'It may have been done all the same: look before trying again.';

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
  // Redacted before it is cut: half a secret would not be known any more.
  const said = redact(messageOf(answer)).slice(0, longestMessage);
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
      error: fail('not_found', `does not know ${place(method, path)}`, 'Check the names and ids in the input.'),
      again: false,
      waitMs: null,
    };
  }
  if (status === 429) {
    const error = fail('rate_limited', 'takes no more requests for now', 'Try again later, with fewer calls.');
    return { error, again: true, waitMs };
  }
  const hint = status < 500 ? 'Correct the input.' : repeat === 'never' ? maybeDone : 'Try again later.';
  const error = fail('upstream', `answered ${status}`, hint);
  return { error, again: status >= 500 && status !== 501 && repeat !== 'never', waitMs };
}

/**
 * How long the service asks to wait: `Retry-After` as seconds or a date (RFC 9110 section 10.2.3),
 * else the reset time that some send. Null where it says nothing.
 */
function wishOf(headers: Headers): number | null {
  const after = headers.get('retry-after');
  if (after !== null) return /^\d+$/.test(after.trim()) ? notAtOnce(Number(after) * 1000) : untilDate(httpDate(after));
  const reset = headers.get('x-ratelimit-reset');
  if (headers.get('x-ratelimit-remaining') !== '0' || reset === null) return null;
  return untilDate(/^\d+$/.test(reset) ? Number(reset) * 1000 : Date.parse(reset));
}

/** A date of HTTP begins with its day; `Date.parse` alone takes `-5` for one. */
const httpDate = (text: string): number => (/^\s*[A-Za-z]{3,9},? /.test(text) ? Date.parse(text) : Number.NaN);

const untilDate = (epochMs: number): number | null => (Number.isNaN(epochMs) ? null : notAtOnce(epochMs - Date.now()));

/** «Now» from a service that has just refused is no wish: the usual pause is kept. */
const notAtOnce = (ms: number): number | null => (ms <= 0 ? null : ms);

const longestMessage = 300;

/** What the service says went wrong, wherever it puts that; empty where it says nothing. */
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
  return typeof said === 'string' ? said : said === undefined ? '' : JSON.stringify(said);
}
