// Holds requests and answers against Netlify's published OpenAPI description, so that the local server invents nothing.
import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import type { Reply, Sent } from './service.js';

interface Parameter {
  name: string;
  in: 'path' | 'query' | 'body' | 'header';
  type?: string;
  enum?: string[];
  required?: boolean;
  schema?: object;
}
interface Operation {
  operationId: string;
  parameters?: Parameter[];
  responses: Record<string, { schema?: object }>;
}
interface Description {
  basePath: string;
  paths: Record<string, Record<string, Operation> & { parameters?: Parameter[] }>;
}

const require = createRequire(import.meta.url);
const description = require('@netlify/open-api') as Description;
const ajv = new Ajv({ strict: false, validateFormats: false });

const pattern = (template: string): RegExp =>
  new RegExp(`^${template.replace(/\{path\}/g, '.+').replace(/\{[^}]+\}/g, '[^/]+')}$`);

const places = Object.entries(description.paths).map(([template, methods]) => ({ path: pattern(template), methods }));

/** The operation that a request calls; throws where there is none, or where the request does not fit it. */
export function operationOf(request: Sent): string {
  const { operation, parameters } = find(request);
  const declared = new Map(parameters.filter((one) => one.in === 'query').map((one) => [one.name, one]));
  for (const [name, value] of Object.entries(request.query)) {
    const parameter = declared.get(name);
    if (parameter === undefined) throw new Error(`${operation.operationId} has no query parameter ${name}`);
    if (parameter.type === 'integer' && !/^\d+$/.test(value)) throw new Error(`${name} is no integer: ${value}`);
    if (parameter.enum && !parameter.enum.includes(value)) throw new Error(`${name} cannot be ${value}`);
  }
  const body = parameters.find((one) => one.in === 'body');
  if (body?.schema !== undefined && request.headers['content-type'] === 'application/json')
    check(body.schema, request.json(), operation.operationId);
  if (request.headers.authorization?.startsWith('Bearer ') !== true) throw new Error('no bearer token');
  return operation.operationId;
}

/** The reply, once it fits what the operation is described to answer. */
export function described(request: Sent, reply: Reply): Reply {
  const { operation } = find(request);
  const status = reply.status ?? 200;
  const schema = (operation.responses[String(status)] ?? operation.responses.default)?.schema;
  if (schema === undefined) throw new Error(`${operation.operationId} never answers ${status}`);
  check(schema, reply.json, `${operation.operationId} ${status}`);
  return reply;
}

function find(request: Sent): { operation: Operation; parameters: Parameter[] } {
  const path = request.path.slice(description.basePath.length);
  const methods = places.find(
    (place) => place.path.test(path) && place.methods[request.method.toLowerCase()] !== undefined,
  )?.methods;
  const operation = methods?.[request.method.toLowerCase()];
  if (!request.path.startsWith(description.basePath) || operation === undefined)
    throw new Error(`Netlify describes no ${request.method} ${request.path}`);
  return { operation, parameters: [...(methods?.parameters ?? []), ...(operation.parameters ?? [])] };
}

function check(schema: object, value: unknown, what: string): void {
  const validate = ajv.compile(schema);
  if (!validate(value)) throw new Error(`${what}: ${ajv.errorsText(validate.errors)}`);
}
