// Whatever a caller sends, the answer is an answer: never a 5xx, never a hang, and the bridge goes on.
// DOE_FUZZ_RUNS sets how many requests are made up for HTTP, and as many for MCP over stdio; a nightly run takes 20000.
import { spawn } from 'node:child_process';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { routes } from '../../src/http-bridge/routes.js';
import type { Log } from '../../src/log.js';
import { operations } from '../../src/tools/index.js';
import { memoryGauge } from '../helpers/held-memory.js';
import { nastyStrings } from '../helpers/nasty.js';
import { agent, operator, sendJson } from '../helpers/raw-http.js';
import { createTestApp, helloHome, type TestApp, temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { connect, type TestClient } from '../mcp/clients.js';

const runs = Number(process.env.DOE_FUZZ_RUNS ?? 1000);
const limitMs = 60_000 + runs * 60;
/** No request of these waits for anything, so an answer that takes so long is a hang. */
const hangMs = 20_000;

const home = {
  ...helloHome,
  'directives/strict.md':
    '---\nquestions: ["Sure?"]\npayload: { type: object, required: [zip], properties: { zip: { type: string, x-doe-path: true }, key: { type: string, x-doe-secret: true } } }\n---\n# Strict\n',
  'execution/strict.sh': 'true\n',
  'directives/broken.md': '---\nnope: 1\n---\n',
  'directives/notes.md': '# Notes\n',
  'in/site.zip': 'zip',
};

/** What was logged as a fault of our own. */
function listener(): { log: Log; faults: string[] } {
  const faults: string[] = [];
  const ignore = () => {};
  const note = (event: string, fields: object = {}) => {
    faults.push(`${event} ${Object.values(fields).map((one) => (one instanceof Error ? one.stack : String(one)))}`);
  };
  return { log: { debug: ignore, info: ignore, warn: ignore, error: note }, faults };
}

const nasty = fc.constantFrom(...nastyStrings);
const text = fc.oneof(nasty, fc.string({ unit: 'binary', maxLength: 40 }), fc.string({ maxLength: 20 }));
const known = [
  'hello',
  'strict',
  'broken',
  'notes',
  'T1',
  'T2',
  'T3',
  'p1',
  'me',
  'open',
  'queued',
  'script',
  'list-clients',
  'create-client-folder',
  'reject',
  'directive',
];
const value: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<unknown>(...known) },
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.boolean() },
  { weight: 2, arbitrary: fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }) },
  { weight: 1, arbitrary: fc.constant({ zip: 'in/site.zip', key: 's3cret' }) },
);

const fieldNames = [...new Set(operations.flatMap(({ input }) => Object.keys(input.shape as object)))];
/** Waiting is tested elsewhere; here it would be taken for a hang. */
const fieldName = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...fieldNames.filter((name) => name !== 'wait_seconds')) },
  { weight: 1, arbitrary: text },
);

/** Fields of one operation with values that are often right, plus now and then one that is none of its own. */
const fieldsOf = (names: string[]): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .tuple(
      fc.record(Object.fromEntries(names.filter((name) => name !== 'wait_seconds').map((name) => [name, value])), {
        requiredKeys: [],
      }),
      fc.option(fc.tuple(fieldName, value), { freq: 6, nil: null }),
    )
    .map(([fields, further]) => (further === null ? fields : { ...fields, [further[0]]: further[1] }));

interface Made {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | null;
}

const paths = [
  ...routes.map(({ path }) => path),
  '/mcp/acknowledge',
  '/mcp/validate-ack',
  '/health',
  '/metrics',
  '/openapi.json',
  '/integrations/:name/:action',
  '/mcp',
  '/messages',
  '/nothing/:id',
  '/ui/:id',
  '/ui/approvals/:id',
];

const segment = fc.oneof(fc.constantFrom('T1', 'T2', 'T3', 'hello', 'n8n', 'trigger'), text);

const asPath = (template: string, segments: string[], raw: boolean): string => {
  let index = 0;
  const fill = () =>
    raw
      ? encodeURI(wellFormed(segments[index++] ?? 'x')).replace(/[?#]/g, '')
      : encodeURIComponent(wellFormed(segments[index++] ?? 'x'));
  return template.replace(/:\w+/g, fill);
};

const wellFormed = (given: string): string => given.replace(/\p{Surrogate}/gu, '\ufffd');

/** As a careless client writes it; JSON for what has no text of its own. */
const textOf = (value: unknown): string => (typeof value === 'object' ? (JSON.stringify(value) ?? '') : String(value));

const queryOf = (pairs: [string, unknown][]): string =>
  pairs.length === 0
    ? ''
    : `?${pairs.map(([name, one]) => `${encodeURIComponent(wellFormed(name))}=${encodeURIComponent(wellFormed(textOf(one)))}`).join('&')}`;

/** What Node's client would not send is taken out. */
const headerText = (given: string): string => given.replace(/[^\t\x20-\x7e\x80-\xff]/g, '');

const key = fc.constantFrom<Record<string, string>>(
  { 'X-API-Key': operator },
  { 'X-API-Key': operator },
  { Authorization: `Bearer ${agent}` },
  { 'X-API-Key': 'wrong' },
  {},
);

const type = fc.oneof(
  { weight: 8, arbitrary: fc.constant('application/json') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data', ''),
  },
  { weight: 1, arbitrary: text.map(headerText) },
);

const further = fc.record(
  {
    Accept: fc.constantFrom(
      'text/event-stream',
      'application/json',
      'application/json, text/event-stream',
      '*/*',
      ',,;',
    ),
    'Last-Event-ID': text.map(headerText),
    traceparent: text.map(headerText),
    'Idempotency-Key': text.map(headerText),
    'Mcp-Session-Id': text.map(headerText),
    'Mcp-Protocol-Version': text.map(headerText),
    Cookie: text.map(headerText),
    'User-Agent': text.map(headerText),
    Authorization: text.map(headerText),
  },
  { requiredKeys: [] },
);

const body = (names: string[]): fc.Arbitrary<string | Uint8Array | null> =>
  fc.oneof(
    { weight: 10, arbitrary: fieldsOf(names).map((fields) => JSON.stringify(fields)) },
    {
      weight: 1,
      arbitrary: fc
        .jsonValue()
        .map((one) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: one })),
    },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }) },
    { weight: 1, arbitrary: fc.constant(null) },
  );

const made: fc.Arbitrary<Made> = fc.constantFrom(...paths).chain((template) => {
  const operation = routes.find(({ path }) => path === template)?.operation;
  const names = operation === undefined ? fieldNames : Object.keys(operation.input.shape as object);
  const usual = routes.find(({ path }) => path === template)?.method.toUpperCase() ?? 'POST';
  return fc
    .record({
      method: fc.oneof(
        { weight: 6, arbitrary: fc.constant(usual) },
        { weight: 1, arbitrary: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS') },
      ),
      segments: fc.array(segment, { minLength: 2, maxLength: 2 }),
      raw: fc.boolean(),
      query: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        {
          weight: 1,
          arbitrary: fc.array(
            fc.tuple(
              fc.oneof(fc.constantFrom(...names.filter((name) => name !== 'wait_seconds'), 'task_id'), fieldName),
              value,
            ),
            { maxLength: 4 },
          ),
        },
      ),
      key,
      type,
      further: fc.option(further, { freq: 3, nil: {} }),
      body: body(names),
    })
    .map(({ method, segments, raw, query, body: content, ...heads }) => ({
      method,
      path: `${asPath(template, segments, raw)}${queryOf(query as [string, unknown][])}`,
      headers: { ...heads.further, ...heads.key, ...(heads.type === '' ? {} : { 'Content-Type': heads.type }) },
      body: method === 'GET' || method === 'HEAD' ? null : content,
    }));
});

interface Answer {
  status: number;
  type: string;
  text: string;
}

function sender(app: TestApp): (one: Made) => Promise<Answer> {
  const { port } = new URL(app.address ?? '');
  const pool = new Agent({ keepAlive: true, maxSockets: 4 });
  onTestFinished(() => pool.destroy());
  return ({ method, path, headers, body: content }) =>
    new Promise((resolve, reject) => {
      // Node frames the body of a DELETE or OPTIONS only where its length is said.
      const framed = content === null ? headers : { ...headers, 'Content-Length': Buffer.byteLength(content) };
      const call = request(
        { host: '127.0.0.1', port, method, path, headers: framed, agent: pool, timeout: hangMs },
        (answer) => {
          const kind = String(answer.headers['content-type'] ?? '');
          // A stream that began is an answer; nobody waits for its end here.
          if (kind.includes('event-stream')) {
            resolve({ status: answer.statusCode ?? 0, type: kind, text: '' });
            call.destroy();
            return;
          }
          let whole = '';
          answer.setEncoding('utf8').on('data', (chunk) => (whole += chunk));
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, type: kind, text: whole }));
          answer.on('error', reject);
        },
      );
      call.on('timeout', () => call.destroy(new Error(`No answer within ${hangMs} ms.`)));
      call.on('error', reject);
      call.end(content ?? undefined);
    });
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const heldHere = (): number => {
  collect();
  return process.memoryUsage().heapUsed;
};

/** How much more memory is held after all runs than after the first quarter of them. */
function memoryWatch(total: number, held: () => number | Promise<number>) {
  let count = 0;
  let early = Number.POSITIVE_INFINITY;
  return {
    async next(): Promise<void> {
      count += 1;
      if (count === Math.ceil(total / 4)) early = await held();
    },
    async growth(): Promise<number> {
      const late = await held();
      process.stdout.write(`held after ${total / 4} and ${total} inputs: ${early} and ${late} bytes\n`);
      return late / early;
    },
  };
}

async function someTasks(app: TestApp): Promise<void> {
  for (const task_id of ['T1', 'T2', 'T3'])
    await sendJson(app, 'POST', '/tasks', { json: { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id } });
  await sendJson(app, 'POST', '/tasks/T2/cancel', { json: {} });
  await sendJson(app, 'POST', '/tasks/T3/failure', { json: { error_type: 'x', classification: 'script' } });
}

/** Pages and MCP speak their own languages; everything else answers in ours. */
const ours = (path: string): boolean => !/^\/(ui|mcp(?=[?/]|$)(?!\/)|messages|$)/.test(path);

describe('over HTTP', () => {
  test('every made-up request gets an answer below 500, and a refusal says code, error and hint', {
    timeout: limitMs,
  }, async () => {
    const { log, faults } = listener();
    const app = await createTestApp({ noWorker: true, files: home, log });
    await someTasks(app);
    const send = sender(app);
    const memory = memoryWatch(runs, heldHere);
    await fc.assert(
      fc.asyncProperty(made, async (one) => {
        const answer = await send(one);
        await memory.next();
        if (answer.status >= 500) throw new Error(`${answer.status}: ${answer.text}\n${faults.join('\n')}`);
        if (answer.status >= 400 && one.method !== 'HEAD' && ours(one.path)) {
          const refusal = JSON.parse(answer.text) as Record<string, unknown>;
          expect(refusal).toMatchObject({
            ok: false,
            code: expect.any(String),
            error: expect.any(String),
            hint: expect.any(String),
          });
          expect(answer.text).not.toMatch(/node_modules|\.[jt]s:\d+:\d+/);
        }
        expect(answer.text).not.toContain(operator);
      }),
      { numRuns: runs },
    );
    expect(await memory.growth()).toBeLessThan(1.2);
    expect(faults).toEqual([]);
    expect((await sendJson(app, 'GET', '/health')).status).toBe(200);
    expect((await app.dispatcher.store.ledger.verify()).faults).toEqual([]);
  });

  test('every nasty string, in every field and place', { timeout: 120_000 }, async () => {
    const { log, faults } = listener();
    const app = await createTestApp({ noWorker: true, files: home, log });
    await someTasks(app);
    const send = sender(app);
    const right: Record<string, unknown> = {
      task_type: 'hello',
      project_id: 'p1',
      actor_id: 'me',
      task_id: 'T1',
      error_type: 'x',
      classification: 'script',
    };
    for (const one of nastyStrings) {
      const calls: Made[] = [
        ...['task_type', 'project_id', 'actor_id', 'task_id', 'payload_json', 'run_after', 'priority'].map((name) => ({
          method: 'POST',
          path: '/tasks',
          body: JSON.stringify({ task_type: 'hello', project_id: 'p1', actor_id: 'me', [name]: one }),
        })),
        {
          method: 'POST',
          path: '/tasks',
          body: JSON.stringify({ ...right, task_type: 'strict', payload_json: { zip: one, key: one } }),
        },
        {
          method: 'POST',
          path: '/mcp/acknowledge',
          body: JSON.stringify({ task_id: 'T1', actor_id: one, binding: one, answers_json: one }),
        },
        {
          method: 'POST',
          path: '/tasks/T1/failure',
          body: JSON.stringify({ error_type: one, classification: 'script', stdout: one, stderr: one }),
        },
        {
          method: 'POST',
          path: '/run',
          body: JSON.stringify({ automation: 'create-client-folder', params: { client_name: one } }),
        },
        ...[
          `/tasks/${encodeURIComponent(wellFormed(one))}/status`,
          `/directives/${encodeURIComponent(wellFormed(one))}`,
          `/anneals/${encodeURIComponent(wellFormed(one))}`,
          `/tasks${queryOf([['cursor', one]])}`,
          `/mcp/validate-ack${queryOf([['ack_token', one]])}`,
          `/health${queryOf([['nonce', one]])}`,
        ].map((path) => ({ method: 'GET', path, body: null })),
      ].map((call) => ({ ...call, headers: { 'X-API-Key': operator, 'Content-Type': 'application/json' } }));
      for (const call of calls) {
        const { status, text: said } = await send(call);
        expect([call.path, call.body, status < 500 || said]).toEqual([call.path, call.body, true]);
      }
    }
    expect(faults).toEqual([]);
  });
});

const toolCall = fc
  .constantFrom(...operations.filter(({ tool }) => tool))
  .chain(({ name, input }) =>
    fc.tuple(
      fc.constant(name),
      fc.oneof(
        { weight: 9, arbitrary: fieldsOf(Object.keys(input.shape as object)) },
        { weight: 1, arbitrary: fc.dictionary(text, value) },
      ),
    ),
  );

/** Every answer is a result, or an error with a code that is not `internal`; short, and without tokens. */
const assertToolsAnswer = (client: TestClient, numRuns: number, afterEach = async () => {}): Promise<void> =>
  fc.assert(
    fc.asyncProperty(toolCall, async ([name, input]) => {
      await afterEach();
      const answer = await client.call(name, JSON.parse(JSON.stringify(input)) as Record<string, unknown>);
      const [first] = answer.content;
      const said = JSON.parse(first?.text ?? '') as Record<string, unknown>;
      if (answer.isError === true) {
        expect(said).toMatchObject({
          ok: false,
          code: expect.any(String),
          error: expect.any(String),
          hint: expect.any(String),
        });
        expect([said.code, said.error]).not.toEqual(['internal', expect.anything()]);
      }
      expect(first?.text?.length ?? 0).toBeLessThanOrEqual(6_000);
      expect(JSON.stringify(answer)).not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{16,}|node_modules/);
    }),
    { numRuns },
  );

describe('through MCP', () => {
  test('over HTTP every tool answers every made-up input', { timeout: limitMs }, async () => {
    const { log, faults } = listener();
    const app = await createTestApp({ noWorker: true, files: home, log });
    await someTasks(app);
    const client = await connect('2.x modern', { kind: 'http', url: `${app.address}/mcp`, key: agent });
    await assertToolsAnswer(client, Math.ceil(runs / 2));
    expect(faults).toEqual([]);
  });

  const command = (folder: string): string[] => [process.env.DOE_TEST_CLI ?? '', 'mcp', '--home', folder];

  test('over stdio every tool of a real process answers every made-up input, and holds no more memory for it', {
    timeout: limitMs,
  }, async () => {
    const folder = temporaryFolder();
    writeFiles(folder, home);
    const gauge = memoryGauge();
    const client = await connect('2.x legacy', {
      kind: 'stdio',
      command: process.execPath,
      args: command(folder),
      env: gauge.environment,
    });
    const memory = memoryWatch(runs, () => gauge.heldBy(client.raw.transport.pid));
    await assertToolsAnswer(client, runs, memory.next);
    expect((await client.call('list_directives')).structuredContent?.directives).toHaveLength(4);
    expect(await memory.growth()).toBeLessThan(1.2);
  });

  test('lines on stdin that are no messages are passed over, and stdout stays MCP', { timeout: 60_000 }, async () => {
    const folder = temporaryFolder();
    writeFiles(folder, home);
    const child = spawn(process.execPath, command(folder), { stdio: ['pipe', 'pipe', 'ignore'] });
    onTestFinished(() => void child.kill());
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const say = (message: string) => child.stdin.write(`${message}\n`);
    for (const one of nastyStrings) {
      say(one);
      say(JSON.stringify({ jsonrpc: '2.0', id: one, method: one, params: { [one]: one } }));
    }
    const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    say(JSON.stringify({ jsonrpc: '2.0', id: 'handshake', method: 'initialize', params }));
    for (;;) {
      const { value: line, done } = await lines.next();
      if (done === true) throw new Error('The process ended.');
      const message = JSON.parse(line) as { jsonrpc: string; id?: unknown; result?: unknown };
      expect(message.jsonrpc).toBe('2.0');
      if (message.id !== 'handshake') continue;
      expect(message.result).toMatchObject({ serverInfo: { name: 'doe-dispatcher' } });
      break;
    }
  });
});
