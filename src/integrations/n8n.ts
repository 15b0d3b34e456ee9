// n8n: starts a workflow by its webhook, and reads executions by the public API where a key is set.
// A trigger is delivered at least once; its `Idempotency-Key` lets the workflow drop the second one.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { checked } from './check.js';
import { createHttp, type Http, type HttpAnswer } from './http.js';
import type { ActionContext, Integration } from './index.js';
import { requireSetting, setting, type Variables } from './settings.js';
import { realTime, type Time } from './time.js';

export interface N8nOptions {
  variables: Variables;
  time?: Time;
}

/** Longer than n8n's cloud lets a workflow answer. */
const longestSeconds = 300;

const triggerInput = z.object({
  data: z
    .json()
    .optional()
    .describe('The body of a POST; for a GET an object of texts, numbers and booleans: its query'),
  method: z.enum(['GET', 'POST']).default('POST'),
  path: z
    .string()
    .max(200)
    .regex(
      /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/,
      'must be names with slashes between, such as lead/new',
    )
    .optional()
    .describe('Added to N8N_WEBHOOK_URL'),
  timeout_seconds: z.number().int().min(1).max(longestSeconds).default(100),
});

const executionsInput = z.object({
  workflow_id: z.string().max(100).optional(),
  status: z.enum(['canceled', 'crashed', 'error', 'new', 'running', 'success', 'unknown', 'waiting']).optional(),
  limit: z.number().int().min(1).max(250).default(20),
  cursor: z.string().max(1000).optional(),
});

const executionShape = z.object({
  id: z.union([z.number(), z.string()]),
  workflowId: z.union([z.number(), z.string()]).nullish(),
  status: z.string().nullish(),
  mode: z.string().nullish(),
  finished: z.boolean().nullish(),
  startedAt: z.string().nullish(),
  stoppedAt: z.string().nullish(),
});
const pageShape = z.object({ data: z.array(executionShape), nextCursor: z.string().nullish() });

export function createN8n({ variables, time = realTime }: N8nOptions): Integration {
  const webhook = (): Http => {
    const url = requireSetting(variables, 'N8N_WEBHOOK_URL', 'n8n');
    const auth = authHeader(variables);
    return createHttp({
      service: 'n8n',
      baseUrl: url,
      headers: auth === null ? {} : { [auth.name]: auth.value },
      secrets: [url, ...idsOf(url, unlikelyByChance), ...(auth === null ? [] : [auth.value])],
      unsaid: idsOf(url, shortestId),
      time,
    });
  };

  const api = (): Http => {
    const key = requireSetting(variables, 'N8N_API_KEY', 'n8n');
    const url = requireSetting(variables, 'N8N_API_URL', 'n8n');
    return createHttp({ service: 'n8n', baseUrl: url, headers: { 'x-n8n-api-key': key }, secrets: [key], time });
  };

  const trigger = async (input: z.output<typeof triggerInput>, { signal, idempotencyKey }: ActionContext) => {
    const answer = await webhook().request({
      method: input.method,
      path: input.path === undefined ? '' : `/${input.path}`,
      ...(input.method === 'GET'
        ? { query: queryOf(input.data) }
        : input.data === undefined
          ? {}
          : { json: input.data }),
      headers: { accept: '*/*', 'idempotency-key': keyOf(idempotencyKey, input as JsonObject) },
      // A workflow that takes long may still be at it: a second one is not started.
      repeat: 'unless_timeout',
      timeoutMs: input.timeout_seconds * 1000,
      // «Respond with: redirect» is an answer too; it is told, not followed.
      accept: (status) => status < 400,
      signal,
    });
    return { status: answer.status, ...bodyOf(answer) };
  };

  const executions = async (input: z.output<typeof executionsInput>, { signal }: ActionContext) => {
    const answer = await api().request({
      method: 'GET',
      path: '/executions',
      query: { workflowId: input.workflow_id, status: input.status, limit: input.limit, cursor: input.cursor },
      repeat: 'always',
      signal,
    });
    const { data, nextCursor } = answer.json(pageShape);
    return { executions: data.map(executionView), next_cursor: nextCursor ?? null };
  };

  return {
    name: 'n8n',
    title: 'n8n',
    actions: {
      trigger: {
        description: "Calls the workflow's webhook and answers what it responds.",
        input: triggerInput,
        run: (input, context) => trigger(input as z.output<typeof triggerInput>, context),
      },
      executions: {
        description: 'Lists executions, newest first, without their data.',
        input: executionsInput,
        run: (input, context) => executions(input as z.output<typeof executionsInput>, context),
      },
    },
    check: () =>
      checked(async () => {
        webhook();
        if (setting(variables, 'N8N_API_KEY') === null)
          return 'n8n has a webhook address; it is not called for a check, since that would start the workflow.';
        await api().request({ method: 'GET', path: '/executions', query: { limit: 1 }, repeat: 'always' });
        return 'n8n takes the API key, and has a webhook address.';
      }),
  };
}

/** Whoever knows the id at the end of a webhook's address may call it; n8n says it in its refusals without the rest. */
const idsOf = (url: string, shortest: number): string[] => {
  const { pathname } = new URL(url);
  const last = pathname.split('/').at(-1) ?? '';
  return [pathname, last].filter((part) => part.length >= shortest);
};

const shortestId = 8;
const unlikelyByChance = 16;

/** `Name: value`, as header auth in n8n has it. */
function authHeader(variables: Variables): { name: string; value: string } | null {
  const text = setting(variables, 'N8N_WEBHOOK_AUTH');
  if (text === null) return null;
  const [, name, value] = /^([A-Za-z0-9-]+):\s*(\S.*)$/.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return { name, value };
  throw new DispatcherError('not_configured', 'n8n cannot be called: N8N_WEBHOOK_AUTH is no header.', {
    hint: 'Set it to `Name: value`, as the credential of the webhook in n8n has it.',
  });
}

/** The caller's key names a run; with the input it names one trigger of it. */
const keyOf = (key: string, input: JsonValue): string =>
  `doe-${createHash('sha256')
    .update(`${key}\0${JSON.stringify(input)}`)
    .digest('hex')
    .slice(0, 32)}`;

function queryOf(data: JsonValue | undefined): Record<string, string | number | boolean> {
  if (data === undefined) return {};
  const entries = typeof data === 'object' && data !== null && !Array.isArray(data) ? Object.entries(data) : null;
  if (entries?.every(([, value]) => ['string', 'number', 'boolean'].includes(typeof value)))
    return Object.fromEntries(entries) as Record<string, string | number | boolean>;
  throw new DispatcherError(
    'invalid_input',
    'A GET carries its data as a query: an object of texts, numbers and booleans.',
    {
      hint: 'Use method POST for other data.',
    },
  );
}

/** Every response mode: JSON, text, nothing, a redirect, a file. */
function bodyOf(answer: HttpAnswer): JsonObject {
  const type = (answer.headers.get('content-type') ?? '').toLowerCase();
  const location = answer.headers.get('location');
  const more = location === null ? {} : { location };
  if (answer.bytes.length === 0) return { body: null, ...more };
  if (/^application\/(.+\+)?json/.test(type)) {
    const text = answer.text();
    // A streaming response is JSON lines under the name of JSON.
    const value = parsed(text);
    return { body: value === undefined ? text : value, ...more };
  }
  if (type.startsWith('text/')) return { body: answer.text(), ...more };
  return { body: null, body_base64: Buffer.from(answer.bytes).toString('base64'), content_type: type, ...more };
}

function parsed(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

const executionView = (one: z.output<typeof executionShape>): JsonObject => ({
  id: String(one.id),
  workflow_id: one.workflowId == null ? null : String(one.workflowId),
  status: one.status ?? null,
  mode: one.mode ?? null,
  finished: one.finished ?? null,
  started_at: one.startedAt ?? null,
  stopped_at: one.stoppedAt ?? null,
});
