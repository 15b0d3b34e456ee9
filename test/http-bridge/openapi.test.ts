import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
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
  expect(Object.keys(create?.responses ?? {})).toEqual([
    '200',
    '201',
    '400',
    '401',
    '403',
    '404',
    '409',
    '413',
    '503',
    'default',
  ]);
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

/** Says what the document has against an answer: null where it fits. */
function judgeBy(document: Document) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', ...document });
  return (route: string, { status, body }: { status: number; body: unknown }): string | null => {
    const [method = '', path = ''] = route.split(' ');
    const responses = document.paths[path]?.[method.toLowerCase()]?.responses ?? {};
    const given = responses[String(status)];
    if (given === undefined) return `${status} is not among ${Object.keys(responses).join(', ')}`;
    const escaped = path.replaceAll('~', '~0').replaceAll('/', '~1');
    const place = (given as { $ref?: string }).$ref ?? `#/paths/${escaped}/${method.toLowerCase()}/responses/${status}`;
    const fits = ajv.compile({ $ref: `document${encodeURI(place)}/content/application~1json/schema` });
    return fits(body) ? null : ajv.errorsText(fits.errors);
  };
}

test('what the routes answer is what the document says, answers and refusals alike', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: {
      'directives/hello.md': '---\ntitle: Hello\n---\n# Hello\n',
      'execution/hello.sh': 'true\n',
      'automations/unseen.mjs': 'export const description = "x"; export const run = () => 1;\n',
    },
  });
  const document = (await sendJson(app, 'GET', '/openapi.json')).json() as unknown as Document;
  const judge = judgeBy(document);
  const task = { task_type: 'hello', project_id: 'p', task_id: 'T1', actor_id: 'me' };
  const calls: [route: string, path: string, status: number, json?: object][] = [
    ['POST /tasks', '/tasks', 201, task],
    ['POST /tasks', '/tasks', 200, task],
    ['POST /tasks', '/tasks', 409, { ...task, project_id: 'q' }],
    ['POST /tasks', '/tasks', 404, { ...task, task_id: 'T2', task_type: 'none' }],
    ['POST /tasks', '/tasks', 400, { ...task, more: 1 }],
    ['GET /tasks', '/tasks', 200],
    ['GET /tasks', '/tasks?status=x', 400],
    ['GET /tasks/{id}/status', '/tasks/T1/status', 200],
    ['GET /tasks/{id}/status', '/tasks/T2/status', 404],
    ['GET /tasks/{id}/review', '/tasks/T1/review', 200],
    ['GET /tasks/{id}/logs', '/tasks/T1/logs', 200],
    ['POST /mcp/acknowledge', '/mcp/acknowledge', 409, { task_id: 'T1', actor_id: 'me', binding: '0'.repeat(64) }],
    ['POST /mcp/acknowledge', '/mcp/acknowledge', 200, { task_id: 'T1', actor_id: 'me' }],
    ['POST /tasks/{id}/failure', '/tasks/T1/failure', 200, { error_type: 'x', classification: 'script' }],
    ['GET /anneals', '/anneals', 200],
    ['GET /anneals/{aid}', '/anneals/none', 404],
    ['POST /tasks/{id}/anneal-complete', '/tasks/T1/anneal-complete', 409, {}],
    ['POST /tasks/{id}/anneal-complete', '/tasks/T1/anneal-complete', 200, { note: 'why' }],
    ['POST /tasks/{id}/anneal-dismiss', '/tasks/T1/anneal-dismiss', 409, {}],
    ['POST /tasks/{id}/cancel', '/tasks/T1/cancel', 200, {}],
    ['POST /tasks/{id}/retry', '/tasks/T1/retry', 200, {}],
    ['GET /directives', '/directives', 200],
    ['GET /directives/{id}', '/directives/hello', 200],
    ['GET /directives/{id}', '/directives/none', 404],
    ['GET /automations', '/automations', 200],
    ['POST /run', '/run', 200, { automation: 'list-clients' }],
    ['POST /run', '/run', 404, { automation: 'none' }],
    ['POST /run', '/run', 403, { automation: 'unseen' }],
    ['GET /trust', '/trust', 200],
    ['POST /trust', '/trust', 400, { items: [] }],
    ['POST /pause', '/pause', 200, {}],
    ['POST /resume', '/resume', 200, {}],
    ['POST /ui-codes', '/ui-codes', 200, {}],
    ['GET /audit', '/audit', 200],
    ['GET /audit/verify', '/audit/verify', 200],
    ['GET /health', '/health', 200],
    ['GET /mcp/validate-ack', '/mcp/validate-ack', 401],
    ['POST /integrations/{name}/{action}', '/integrations/n8n/trigger', 401, {}],
  ];
  for (const [route, path, status, json] of calls) {
    const [method = ''] = route.split(' ');
    const answer = await sendJson(app, method, path, json === undefined ? {} : { json });
    const judged = judge(route, { status: answer.status, body: answer.json() });
    expect([route, path, answer.status, judged]).toEqual([route, path, status, null]);
  }
});
