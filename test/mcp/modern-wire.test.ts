// What revision 2026-07-28 asks of a server, checked on the wire: discovery, headers, error codes, cache hints, listening.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createTask } from '../../src/tools/index.js';
import { operator, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, helloHome, type TestApp, temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { modernRequest } from './modern.js';

const revision = '2026-07-28';
const subscriptionId = 'io.modelcontextprotocol/subscriptionId';

interface Message {
  id?: number;
  method?: string;
  params?: Record<string, unknown> & { _meta?: Record<string, unknown> };
  result?: Record<string, unknown> & { _meta?: Record<string, unknown> };
  error?: { code: number; data?: Record<string, unknown> };
}

const message = (method: string, params: object = {}, { version = revision, capabilities = {} } = {}) => ({
  jsonrpc: '2.0',
  id: 7,
  method,
  params: {
    ...params,
    _meta: {
      'io.modelcontextprotocol/protocolVersion': version,
      'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': capabilities,
    },
  },
});

/** A POST with exactly these headers besides the key and the types. */
async function post(app: TestApp, body: object, headers: Record<string, string>) {
  const { status, text } = await send(app, {
    method: 'POST',
    path: '/mcp',
    headers: {
      'X-API-Key': operator,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...headers,
    },
    body: JSON.stringify(body),
  });
  const json = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? 'null');
  return { status, body: JSON.parse(json) as Message };
}

const newTask = async (app: TestApp): Promise<string> =>
  (await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' })).task_id;

const cancel = (app: TestApp, taskId: string) => sendJson(app, 'POST', `/tasks/${taskId}/cancel`, { json: {} });

test('server/discover tells revisions, capabilities, instructions and who answers', async () => {
  const app = await createTestApp({ noWorker: true });
  const { status, body } = await modernRequest(app, operator, { method: 'server/discover', params: {} });
  expect(status).toBe(200);
  expect(body.result).toMatchObject({
    resultType: 'complete',
    supportedVersions: expect.arrayContaining([revision]),
    capabilities: {
      tools: {},
      prompts: {},
      resources: { subscribe: true, listChanged: true },
      completions: {},
      extensions: { 'io.modelcontextprotocol/skills': {} },
    },
    instructions: expect.stringContaining('create_task'),
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'doe-dispatcher' } },
  });
});

const requests: [method: string, params: Record<string, unknown>, cached: boolean][] = [
  ['server/discover', {}, true],
  ['tools/list', {}, true],
  ['tools/call', { name: 'list_tasks', arguments: {} }, false],
  ['resources/list', {}, true],
  ['resources/templates/list', {}, true],
  ['resources/read', { uri: 'directive://hello' }, true],
  ['prompts/list', {}, true],
  ['prompts/get', { name: 'run_directive', arguments: { directive: 'hello' } }, false],
  [
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'run_directive' }, argument: { name: 'directive', value: 'h' } },
    false,
  ],
  ['skills/list', {}, true],
  ['skills/get', { uri: 'skill://hello/SKILL.md' }, true],
];

test.each(requests)('the result of %s says that it is complete and how long it may be kept', async (...request) => {
  const [method, params, cached] = request;
  const app = await createTestApp({ noWorker: true });
  const { status, body } = await modernRequest(app, operator, { method, params });
  expect(status).toBe(200);
  expect(body.result.resultType).toBe('complete');
  if (!cached) return;
  expect(body.result.ttlMs).toBeGreaterThanOrEqual(0);
  expect(['public', 'private']).toContain(body.result.cacheScope);
});

describe('headers that disagree with the body are refused with -32020', () => {
  const call = message('tools/call', { name: 'list_tasks', arguments: {} });
  const right = { 'MCP-Protocol-Version': revision, 'Mcp-Method': 'tools/call', 'Mcp-Name': 'list_tasks' };
  const without = (name: keyof typeof right) =>
    Object.fromEntries(Object.entries(right).filter(([header]) => header !== name));

  test.each([
    ['no Mcp-Method', call, without('Mcp-Method')],
    ['another Mcp-Method', call, { ...right, 'Mcp-Method': 'tools/list' }],
    ['an Mcp-Method in other case', call, { ...right, 'Mcp-Method': 'Tools/Call' }],
    ['no Mcp-Name for a tool', call, without('Mcp-Name')],
    ['another Mcp-Name', call, { ...right, 'Mcp-Name': 'cancel_task' }],
    ['an Mcp-Name that does not decode', call, { ...right, 'Mcp-Name': '=?base64?%%%?=' }],
    ['another MCP-Protocol-Version', call, { ...right, 'MCP-Protocol-Version': '2025-11-25' }],
    [
      'no Mcp-Name for a resource',
      message('resources/read', { uri: 'directive://hello' }),
      { ...without('Mcp-Name'), 'Mcp-Method': 'resources/read' },
    ],
    [
      'no Mcp-Name for a prompt',
      message('prompts/get', { name: 'run_directive', arguments: { directive: 'hello' } }),
      { ...without('Mcp-Name'), 'Mcp-Method': 'prompts/get' },
    ],
  ])('%s', async (_, body, headers) => {
    const app = await createTestApp({ noWorker: true });
    const answer = await post(app, body, headers);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatchObject({ id: 7, error: { code: -32_020 } });
  });

  test('their names are read in any case, a value also in base64', async () => {
    const app = await createTestApp({ noWorker: true });
    const answer = await post(app, call, {
      'mcp-protocol-version': revision,
      'MCP-METHOD': 'tools/call',
      'mcp-name': `=?base64?${Buffer.from('list_tasks').toString('base64')}?=`,
    });
    expect(answer).toMatchObject({ status: 200, body: { result: { structuredContent: { tasks: [] } } } });
  });
});

test.each([{}, { elicitation: { url: {} } }])(
  'no tool leans on a capability that the client did not declare (%j): none asks, none refuses with -32021',
  async (capabilities) => {
    const app = await createTestApp({ noWorker: true });
    const task_id = await newTask(app);
    const { body } = await modernRequest(app, operator, {
      method: 'tools/call',
      params: { name: 'acknowledge', arguments: { task_id, actor_id: 'me' } },
      capabilities,
    });
    expect(body.result).toMatchObject({ resultType: 'complete', structuredContent: { status: 'awaiting_ack' } });
  },
);

test('a revision that is not spoken is refused with -32022 and the ones that are', async () => {
  const app = await createTestApp({ noWorker: true });
  const future = '2099-01-01';
  const { status, body } = await post(app, message('tools/list', {}, { version: future }), {
    'MCP-Protocol-Version': future,
    'Mcp-Method': 'tools/list',
  });
  expect(status).toBe(400);
  expect(body.error).toMatchObject({ code: -32_022, data: { requested: future } });
  expect(body.error?.data?.supported).toContain(revision);
});

test('a request of the revision without its envelope is refused with -32602', async () => {
  const app = await createTestApp({ noWorker: true });
  const bare = { jsonrpc: '2.0', id: 7, method: 'tools/list', params: {} };
  const { status, body } = await post(app, bare, { 'MCP-Protocol-Version': revision, 'Mcp-Method': 'tools/list' });
  expect(status).toBe(400);
  expect(body.error).toMatchObject({ code: -32_602 });
});

test.each(['initialize', 'ping', 'resources/subscribe', 'logging/setLevel', 'no/such'])(
  'the method %s, which the revision does not have, is answered 404 and -32601',
  async (method) => {
    const app = await createTestApp({ noWorker: true });
    const { status, body } = await post(app, message(method), {
      'MCP-Protocol-Version': revision,
      'Mcp-Method': method,
    });
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ code: -32_601 });
  },
);

test.each([
  ['resources/read', { uri: 'directive://nothing' }],
  ['resources/read', { uri: 'task://nothing/log' }],
  ['resources/read', { uri: 'nothing://at-all' }],
  ['resources/read', { uri: 'directive://..%2F.env' }],
  ['resources/read', { uri: 'anneal://x/..%2F..%2F.env' }],
  ['resources/read', { uri: 'skill://hello/..%2F..%2F.env' }],
  ['prompts/get', { name: 'nothing', arguments: {} }],
  ['prompts/get', { name: 'run_directive', arguments: { directive: '../.env' } }],
  ['prompts/get', { name: 'review_anneal', arguments: { aid: '..' } }],
  ['tools/call', { name: 'nothing', arguments: {} }],
  ['skills/get', { uri: 'skill://nothing/SKILL.md' }],
])('%s of what is not there is -32602', async (method, params) => {
  const app = await createTestApp({ noWorker: true });
  const { body } = await modernRequest(app, operator, { method, params });
  expect(body.error).toMatchObject({ code: -32_602 });
});

interface Stream {
  next(): Promise<Message | null>;
  close(): void;
}

/** Opens subscriptions/listen; each message of its stream in order, null at its end. */
async function listen(app: TestApp, notifications: object): Promise<Stream> {
  const aborted = new AbortController();
  onTestFinished(() => aborted.abort());
  const method = 'subscriptions/listen';
  const response = await app.request('/mcp', {
    json: message(method, { notifications }),
    headers: {
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': revision,
      'Mcp-Method': method,
    },
    signal: aborted.signal,
  });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const events = messages(response);
  return { next: async () => (await events.next()).value ?? null, close: () => aborted.abort() };
}

async function* messages({ body }: Response): AsyncGenerator<Message, null> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    const blocks = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.+)$/m.exec(block)?.[1];
      if (data !== undefined) yield JSON.parse(data) as Message;
    }
  }
  return null;
}

const acknowledged = 'notifications/subscriptions/acknowledged';
const updated = 'notifications/resources/updated';
const listChanged = 'notifications/resources/list_changed';

describe('subscriptions/listen over HTTP', () => {
  test('acknowledges first, by the id of the request, with what it grants', async () => {
    const app = await createTestApp({ noWorker: true });
    const wanted = { resourcesListChanged: true, resourceSubscriptions: ['directive://hello'] };
    const stream = await listen(app, wanted);
    expect(await stream.next()).toMatchObject({
      method: acknowledged,
      params: { notifications: wanted, _meta: { [subscriptionId]: 7 } },
    });
  });

  test('tells of the subscribed task alone, and of no list that was not asked for', async () => {
    const app = await createTestApp({ noWorker: true });
    const [other, watched] = [await newTask(app), await newTask(app)];
    const stream = await listen(app, { resourceSubscriptions: [`task://${watched}`] });
    await stream.next();
    await cancel(app, other);
    await newTask(app);
    await cancel(app, watched);
    expect(await stream.next()).toMatchObject({
      method: updated,
      params: { uri: `task://${watched}`, _meta: { [subscriptionId]: 7 } },
    });
  });

  test('tells of a change that another process on the home made', async () => {
    const app = await createTestApp({ noWorker: true });
    const other = await createTestApp({ home: app.home, noWorker: true, kind: 'mcp' });
    const watched = await newTask(app);
    const stream = await listen(app, { resourceSubscriptions: [`task://${watched}`] });
    await stream.next();
    await cancel(other, watched);
    expect(await stream.next()).toMatchObject({ method: updated, params: { uri: `task://${watched}` } });
  });

  test('tells that the list changed when a task was made', async () => {
    const app = await createTestApp({ noWorker: true });
    const stream = await listen(app, { resourcesListChanged: true });
    await stream.next();
    await newTask(app);
    expect(await stream.next()).toMatchObject({ method: listChanged, params: { _meta: { [subscriptionId]: 7 } } });
  });

  test('ends with a result when the server stops', async () => {
    const app = await createTestApp({ noWorker: true });
    const stream = await listen(app, { resourcesListChanged: true });
    await stream.next();
    const stopped = app.stop();
    expect(await stream.next()).toMatchObject({
      id: 7,
      result: { resultType: 'complete', _meta: { [subscriptionId]: 7 } },
    });
    expect(await stream.next()).toBeNull();
    await stopped;
  });

  test('without a filter is refused with -32602', async () => {
    const app = await createTestApp({ noWorker: true });
    const { body } = await post(app, message('subscriptions/listen'), {
      'MCP-Protocol-Version': revision,
      'Mcp-Method': 'subscriptions/listen',
    });
    expect(body.error).toMatchObject({ code: -32_602 });
  });
});

describe('subscriptions/listen over stdio', () => {
  function newHome(): string {
    const home = temporaryFolder();
    writeFiles(home, { ...helloHome, 'anneal-tasks/.keep': '' });
    return home;
  }

  function startMcp(home = newHome()) {
    const child = spawn(process.execPath, [process.env.DOE_TEST_CLI ?? '', 'mcp', '--home', home], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH, HOME: home, TMPDIR: tmpdir() },
    });
    const ended = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await ended;
    });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    return {
      home,
      send: (id: number, body: object) => child.stdin.write(`${JSON.stringify({ ...body, id })}\n`),
      notify: (body: object) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...body })}\n`),
      next: async () => {
        const { value, done } = await lines.next();
        return done === true ? null : (JSON.parse(value) as Message);
      },
    };
  }

  type Line = ReturnType<typeof startMcp>;

  /** The answer to a tool call; what else comes in between is passed over. */
  async function call(line: Line, id: number, name: string, args: object, capabilities: object = {}) {
    line.send(id, message('tools/call', { name, arguments: args }, { capabilities }));
    for (;;) {
      const answer = await line.next();
      if (answer === null) throw new Error('The process ended.');
      if (answer.id === id) return answer.result ?? {};
    }
  }

  const made = async (line: Line, id: number): Promise<string> => {
    const task = { task_type: 'hello', project_id: 'p1', actor_id: 'me' };
    const { structuredContent } = await call(line, id, 'create_task', task);
    return (structuredContent as { task_id: string }).task_id;
  };

  test('tells of the subscribed task alone, until it is cancelled', async () => {
    const line = startMcp();
    const [other, watched] = [await made(line, 1), await made(line, 2)];
    line.send(3, message('subscriptions/listen', { notifications: { resourceSubscriptions: [`task://${watched}`] } }));
    expect(await line.next()).toMatchObject({ method: acknowledged, params: { _meta: { [subscriptionId]: 3 } } });
    await call(line, 4, 'cancel_task', { task_id: other });
    line.send(5, message('tools/call', { name: 'cancel_task', arguments: { task_id: watched } }));
    const heard = [await line.next(), await line.next()];
    expect(heard.find((one) => one?.method !== undefined)).toMatchObject({
      method: updated,
      params: { uri: `task://${watched}`, _meta: { [subscriptionId]: 3 } },
    });
    line.notify({ method: 'notifications/cancelled', params: { requestId: 3 } });
    expect(await call(line, 6, 'list_tasks', {})).toMatchObject({ resultType: 'complete' });
  });

  test('tells of a change that another process on the home made', async () => {
    const line = startMcp();
    const watched = await made(line, 1);
    line.send(2, message('subscriptions/listen', { notifications: { resourceSubscriptions: [`task://${watched}`] } }));
    await line.next();
    await call(startMcp(line.home), 1, 'cancel_task', { task_id: watched });
    expect(await line.next()).toMatchObject({ method: updated, params: { uri: `task://${watched}` } });
  });

  test('asks only with a capability that this very request declares', async () => {
    const line = startMcp();
    const task_id = await made(line, 1);
    const ask = (id: number, capabilities: object) =>
      call(line, id, 'acknowledge', { task_id, actor_id: 'me' }, capabilities);
    expect(await ask(2, { elicitation: { form: {} } })).toMatchObject({ resultType: 'input_required' });
    expect(await ask(3, {})).toMatchObject({ resultType: 'complete' });
    expect(await ask(4, { elicitation: { form: {} } })).toMatchObject({ resultType: 'input_required' });
  });
});
