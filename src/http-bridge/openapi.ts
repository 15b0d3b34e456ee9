// The OpenAPI 3.1 document, from the same schemas that check the calls.
import { z } from 'zod';
import { acknowledge, createTask, runAutomation, taskLogs, validateAck } from '../tools/index.js';
import type { AnyOperation } from '../tools/operation.js';
import { type Route, routes } from './routes.js';

interface Schema {
  [name: string]: unknown;
  properties?: object;
  required?: string[];
}

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Schema => {
  const { $schema: _dialect, $defs: _json, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return JSON.parse(JSON.stringify(rest), (_, value) => (isJsonValue(value) ? {} : value));
};

/** The one schema that refers to itself is that of any JSON value, which is no restriction. */
const isJsonValue = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && '$ref' in value && String(value.$ref).startsWith('#/$defs/');

const ref = (place: string) => ({ $ref: `#/components/${place}` });

const json = (description: string, schema: object) => ({ description, content: { 'application/json': { schema } } });

/** Beside what an operation answers stands `ok`; in the same schema, since one that takes no other field would refuse it. */
const succeeded = ({ properties, required = [], ...schema }: Schema): Schema => ({
  ...schema,
  properties: { ok: { const: true }, ...properties },
  required: ['ok', ...required],
});

const refusals = {
  Invalid: [400, 'A field is missing, unknown or wrong; the error names it'],
  Unauthorized: [401, 'No credential, or one that does not hold'],
  NotAllowed: [403, 'This key may not do that, or Host or Origin is not one of the bridge'],
  NotFound: [404, 'There is nothing of this name'],
  Conflict: [409, 'The state of the task forbids it'],
  TooLarge: [413, 'The body or the payload is too large'],
  TooMany: [429, 'The service takes no more requests for now'],
  Failed: [500, 'What was called failed'],
  Upstream: [502, 'The service refused or failed; `details.status` is its own'],
  TryLater: [503, 'The store is busy or cannot be written, or a setting is missing; try again later'],
  TooSlow: [504, 'What was called took too long and was ended'],
  Other: ['default', 'Any other refusal or fault'],
} as const;

const answered = (names: readonly (keyof typeof refusals)[]) =>
  Object.fromEntries(names.map((name) => [refusals[name][0], ref(`responses/${name}`)]));

const always = ['Invalid', 'NotAllowed', 'TryLater', 'Other'] as const;

function parametersOf({ method, operation, params = {} }: Route) {
  const shape = operation.input.shape as Record<string, z.ZodType>;
  const inPath = Object.entries(params).map(([name, field]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(shape[field] as z.ZodType, 'input'),
  }));
  const rest = Object.fromEntries(Object.entries(shape).filter(([name]) => !Object.values(params).includes(name)));
  if (method === 'post') {
    const schema = schemaOf(z.strictObject(rest), 'input');
    const required = !z.strictObject(rest).safeParse({}).success;
    return { parameters: inPath, requestBody: { required, content: { 'application/json': { schema } } } };
  }
  const inQuery = Object.entries(rest).map(([name, schema]) => ({
    name,
    in: 'query',
    required: !schema.safeParse(undefined).success,
    schema: schemaOf(schema, 'input'),
  }));
  return { parameters: [...inPath, ...inQuery] };
}

/** What these act on is named in the body, and may not be there. */
const namesInBody: AnyOperation[] = [createTask, acknowledge, runAutomation];

function operationObject(route: Route) {
  const { method, operation, params } = route;
  const success = json('Done', succeeded(answerSchema(route)));
  const refused = [
    ...always,
    'Unauthorized',
    ...(params === undefined && !namesInBody.includes(operation) ? [] : (['NotFound'] as const)),
    ...(operation === runAutomation ? (['TooMany', 'Failed', 'Upstream', 'TooSlow'] as const) : []),
    ...(method === 'post' ? (['Conflict', 'TooLarge'] as const) : []),
  ] as const;
  return {
    operationId: operation.name,
    summary: operation.title,
    description: operation.description,
    ...parametersOf(route),
    responses: {
      '200': operation === taskLogs ? { ...success, content: { ...success.content, ...stream } } : success,
      ...(operation === createTask ? { '201': json('Created', succeeded(answerSchema(route))) } : {}),
      ...answered(refused),
    },
  };
}

/** Tokens leave by one route, beside what the operation answers. */
function answerSchema({ operation }: Route): Schema {
  const schema = schemaOf(operation.output, 'output');
  if (operation !== acknowledge) return schema;
  const token = { type: 'string', description: 'The token that proves the ack; absent after a refusal' };
  return { ...schema, properties: { ...(schema.properties ?? {}), ack_token: token } };
}

const stream = {
  'text/event-stream': {
    schema: { type: 'string', description: 'Events log, progress, status and end; Last-Event-ID goes on after a line' },
  },
};

const apart: readonly Route[] = [{ method: 'post', path: '/mcp/acknowledge', operation: acknowledge }];

const validation: Route = { method: 'get', path: '/mcp/validate-ack', operation: validateAck };

const text = (name: string, place: 'path' | 'query', required: boolean) => ({
  name,
  in: place,
  required,
  schema: { type: 'string' },
});

/** What is no operation. */
const besides = {
  '/health': {
    get: {
      operationId: 'health',
      summary: 'Who answers here',
      description:
        'Needs no key. With a nonce, answers a proof over nonce and dialed address that only this home can give.',
      security: [],
      parameters: [text('nonce', 'query', false)],
      responses: {
        '200': json(
          'The process that answers',
          succeeded({
            type: 'object',
            required: ['name', 'version', 'home_id', 'worker'],
            properties: {
              name: { const: 'doe-dispatcher' },
              version: { type: 'string' },
              home_id: { type: 'string' },
              worker: { enum: ['on', 'standby', 'off'] },
              proof: { type: 'string' },
            },
          }),
        ),
        ...answered(['NotAllowed', 'Other']),
      },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Metrics for Prometheus',
      description: 'Text exposition format, computed from the store at the moment of the call.',
      responses: {
        '200': { description: 'The metrics', content: { 'text/plain': { schema: { type: 'string' } } } },
        ...answered(['Unauthorized', 'NotAllowed', 'TryLater', 'Other']),
      },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This document',
      description: 'The routes of this version.',
      responses: {
        '200': json('This document', { type: 'object' }),
        ...answered(['Unauthorized', 'NotAllowed', 'Other']),
      },
    },
  },
  '/integrations/{name}/{action}': {
    post: {
      operationId: 'call_integration',
      summary: 'Call an integration from a script',
      description:
        'With DOE_RUN_KEY as Bearer, while its run lasts, and only what the directive names. The server holds the key of the service.',
      security: [{ runKey: [] }],
      parameters: [text('name', 'path', true), text('action', 'path', true)],
      requestBody: { required: false, content: { 'application/json': { schema: { type: 'object' } } } },
      responses: {
        '200': json('Done', succeeded({ type: 'object', required: ['result'], properties: { result: {} } })),
        ...answered(['Invalid', 'Unauthorized', 'NotAllowed', 'NotFound', 'Conflict', 'TooLarge', 'TooMany']),
        ...answered(['Upstream', 'TryLater', 'Other']),
      },
    },
  },
};

function paths(): Record<string, Record<string, object>> {
  const found: Record<string, Record<string, object>> = {};
  for (const route of [...routes, ...apart]) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    found[path] = { ...found[path], [route.method]: operationObject(route) };
  }
  const { operationId, responses, ...rest } = operationObject(validation);
  found[validation.path] = { get: { operationId, ...rest, responses, security: [{}, { ackToken: [] }] } };
  return { ...found, ...besides };
}

const errorSchema = {
  type: 'object',
  required: ['ok', 'code', 'error'],
  properties: {
    ok: { const: false },
    code: { type: 'string' },
    error: { type: 'string' },
    hint: { type: 'string' },
    details: { type: 'object' },
  },
};

export const openApiDocument = (version: string): object => ({
  openapi: '3.1.0',
  info: {
    title: 'DOE Dispatcher',
    version,
    description:
      'Tasks that run by written procedures, each with an acknowledgement that the caller cannot give itself.',
    license: { name: 'MIT', identifier: 'MIT' },
  },
  servers: [{ url: '/', description: 'Where this document was read' }],
  security: [{ key: [] }, { bearer: [] }],
  paths: paths(),
  components: {
    schemas: { Error: errorSchema },
    responses: Object.fromEntries(
      Object.entries(refusals).map(([name, [, description]]) => [name, json(description, ref('schemas/Error'))]),
    ),
    securitySchemes: {
      key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      bearer: { type: 'http', scheme: 'bearer', description: 'The same keys' },
      ackToken: {
        type: 'http',
        scheme: 'bearer',
        description: 'An ack or run token; or as the query parameter ack_token',
      },
      runKey: { type: 'http', scheme: 'bearer', description: 'DOE_RUN_KEY of a run' },
    },
  },
});
