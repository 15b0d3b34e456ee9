import { Validator } from '@seriousme/openapi-schema-validator';
import { expect, test } from 'vitest';
import { sendJson } from '../helpers/raw-http.js';
import { createTestApp } from '../helpers/test-app.js';

interface Operation {
  operationId: string;
  description: string;
  parameters?: { name: string; in: string }[];
  requestBody?: { content: Record<string, { schema: { properties?: Record<string, unknown> } }> };
  responses: Record<string, unknown>;
  security?: unknown[];
}

interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
}

async function readDocument(): Promise<Document> {
  const app = await createTestApp({ noWorker: true });
  return (await sendJson(app, 'GET', '/openapi.json')).json() as unknown as Document;
}

const operationsOf = ({ paths }: Document) =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

test('the document is valid OpenAPI 3.1', async () => {
  const document = await readDocument();
  const { valid, errors } = await new Validator().validate(document as unknown as Record<string, unknown>);
  expect(errors ?? []).toEqual([]);
  expect([valid, document.openapi]).toEqual([true, '3.1.0']);
});

test('every name is there once, every path parameter is declared, every reference leads somewhere', async () => {
  const document = await readDocument();
  const operations = operationsOf(document);
  const ids = operations.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, operation } of operations) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect([path, operation.parameters?.filter((one) => one.in === 'path').map(({ name }) => name) ?? []]).toEqual([
      path,
      inPath,
    ]);
    expect([path, operation.description]).toEqual([path, expect.stringMatching(/\w/)]);
  }
  for (const [, pointer = ''] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const target = pointer
      .split('/')
      .reduce<unknown>((value, key) => (value as Record<string, unknown>)?.[key], document);
    expect([pointer, target]).toEqual([pointer, expect.any(Object)]);
  }
});

test('every route of the product stands in it', async () => {
  const document = await readDocument();
  const found = operationsOf(document).map(({ path, method }) => `${method.toUpperCase()} ${path}`);
  expect(found.sort()).toEqual([
    'GET /anneals',
    'GET /anneals/{aid}',
    'GET /audit',
    'GET /audit/verify',
    'GET /automations',
    'GET /directives',
    'GET /directives/{id}',
    'GET /health',
    'GET /mcp/validate-ack',
    'GET /metrics',
    'GET /openapi.json',
    'GET /tasks',
    'GET /tasks/{id}/logs',
    'GET /tasks/{id}/review',
    'GET /tasks/{id}/status',
    'GET /trust',
    'POST /integrations/{name}/{action}',
    'POST /mcp/acknowledge',
    'POST /pause',
    'POST /resume',
    'POST /run',
    'POST /tasks',
    'POST /tasks/{id}/anneal-complete',
    'POST /tasks/{id}/anneal-dismiss',
    'POST /tasks/{id}/cancel',
    'POST /tasks/{id}/failure',
    'POST /tasks/{id}/retry',
    'POST /trust',
    'POST /ui-codes',
  ]);
});

test('fields, statuses and credentials are those of the routes', async () => {
  const { paths } = await readDocument();
  const create = paths['/tasks']?.post;
  expect(Object.keys(create?.requestBody?.content['application/json']?.schema.properties ?? {})).toEqual([
    'task_type',
    'project_id',
    'actor_id',
    'task_id',
    'payload_json',
    'priority',
    'run_after',
  ]);
  expect(Object.keys(create?.responses ?? {})).toEqual(['200', '201', '400', '401', '403', '404', '409', '413', '503']);
  expect(JSON.stringify(paths['/mcp/acknowledge'])).toContain('ack_token');
  expect(JSON.stringify(paths['/tasks/{id}/logs']?.get?.responses)).toContain('text/event-stream');
  expect(paths['/health']?.get?.security).toEqual([]);
  expect(paths['/mcp/validate-ack']?.get?.security).not.toContainEqual({ key: [] });
  expect(paths['/tasks/{id}/status']?.get?.parameters?.map(({ name }) => name)).toEqual([
    'id',
    'wait_seconds',
    'after',
  ]);
});
