// The OpenAPI 3.1 document, from the same schemas that check the calls.
import { z } from 'zod';
import { acknowledge, createTask, validateAck } from '../tools/index.js';
import { type Route, routes } from './routes.js';

const schemaOf = (schema: z.ZodType, io: 'input' | 'output') => {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
};

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

const answer = (description: string, schema: object) => ({ description, content: { 'application/json': { schema } } });

function operationObject({ method, operation, params = {} }: Route) {
  const shape = operation.input.shape as Record<string, z.ZodType>;
  const fromPath = Object.entries(params).map(([name, field]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(shape[field] as z.ZodType, 'input'),
  }));
  const rest = Object.fromEntries(Object.entries(shape).filter(([name]) => !Object.values(params).includes(name)));
  const fromQuery =
    method === 'post'
      ? []
      : Object.entries(rest).map(([name, schema]) => ({
          name,
          in: 'query',
          required: !schema.safeParse(undefined).success,
          schema: schemaOf(schema, 'input'),
        }));
  const success = answer('Done', {
    allOf: [
      { type: 'object', properties: { ok: { const: true } }, required: ['ok'] },
      schemaOf(operation.output, 'output'),
    ],
  });
  return {
    operationId: operation.name,
    summary: operation.title,
    description: operation.description,
    parameters: [...fromPath, ...fromQuery],
    ...(method === 'get'
      ? {}
      : {
          requestBody: {
            required: false,
            content: { 'application/json': { schema: schemaOf(z.strictObject(rest), 'input') } },
          },
        }),
    responses: {
      '200': success,
      ...(operation.name === createTask.name ? { '201': success } : {}),
      default: answer('Refused; the code says why', errorSchema),
    },
  };
}

const apart: readonly (Route & { keyless?: boolean })[] = [
  { method: 'post', path: '/mcp/acknowledge', operation: acknowledge },
  { method: 'get', path: '/mcp/validate-ack', operation: validateAck, keyless: true },
];

export function openApiDocument(version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of [...routes, ...apart]) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = {
      ...paths[path],
      [route.method]: { ...operationObject(route), ...('keyless' in route ? { security: [] } : {}) },
    };
  }
  return {
    openapi: '3.1.0',
    info: { title: 'DOE Dispatcher', version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: 'http://127.0.0.1:3001' }],
    security: [{ key: [] }, { bearer: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  };
}
