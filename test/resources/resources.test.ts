import { describe, expect, test } from 'vitest';
import { createTask, recordFailure } from '../../src/tools/index.js';
import { createTestApp, helloHome, operatorKey, type TestApp } from '../helpers/test-app.js';
import { connect, sdks } from '../mcp/clients.js';
import { modernRequest } from '../mcp/modern.js';

const key = operatorKey.slice(operatorKey.indexOf(':') + 1);
const open = (app: TestApp, sdk: (typeof sdks)[number] = '2.x legacy') =>
  connect(sdk, { kind: 'http', url: `${app.address}/mcp`, key });

const newTask = async (app: TestApp): Promise<string> =>
  (await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' })).task_id;

async function listAll(client: Awaited<ReturnType<typeof open>>): Promise<{ uri: string; [field: string]: unknown }[]> {
  const resources = [];
  for (let cursor: string | undefined, more = true; more; more = cursor !== undefined) {
    const page = await client.raw.request({ method: 'resources/list', params: cursor === undefined ? {} : { cursor } });
    resources.push(...page.resources);
    cursor = page.nextCursor;
  }
  return resources;
}

describe.each(sdks)('SDK %s', (sdk) => {
  test('reads directives, tasks, logs and bundles', async () => {
    const app = await createTestApp({ noWorker: true });
    const task_id = await newTask(app);
    const { aid } = await app.call(recordFailure, {
      task_id,
      error_type: 'x',
      classification: 'script',
      stderr: 'oh\u001b[31mno',
    });
    const client = await open(app, sdk);
    const read = async (uri: string) => (await client.raw.readResource({ uri })).contents[0];
    expect(await read('directive://hello')).toMatchObject({
      mimeType: 'text/markdown',
      text: expect.stringContaining('# Say hello'),
    });
    expect(JSON.parse((await read(`task://${task_id}`)).text)).toMatchObject({ task_id, status: 'needs_anneal' });
    expect((await read(`task://${task_id}/log`)).text).toContain('ohno');
    expect(await read(`anneal://${aid}/failure.json`)).toMatchObject({ mimeType: 'application/json' });
  });

  test('is told of a resource that is not there by the code that the protocol wants', async () => {
    const app = await createTestApp({ noWorker: true });
    const client = await open(app, sdk);
    await expect(client.raw.readResource({ uri: 'directive://nothing' })).rejects.toMatchObject({ code: -32_602 });
    await expect(client.raw.readResource({ uri: 'task://nothing' })).rejects.toMatchObject({ code: -32_602 });
  });
});

test('lists everything page by page, with type, size and time', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await open(app);
  const ids = [];
  for (let count = 0; count < 55; count++) ids.push(await newTask(app));
  const { aid } = await app.call(recordFailure, { task_id: String(ids[0]), error_type: 'x', classification: 'script' });
  const resources = await listAll(client);
  const uris = resources.map(({ uri }) => uri);
  expect(uris).toEqual(
    expect.arrayContaining([
      'directive://hello',
      ...ids.flatMap((id) => [`task://${id}`, `task://${id}/log`]),
      `anneal://${aid}/README.md`,
    ]),
  );
  expect(new Set(uris).size).toBe(uris.length);
  for (const [uri, mimeType] of [
    ['directive://hello', 'text/markdown'],
    [`task://${ids[0]}`, 'application/json'],
    [`anneal://${aid}/log.txt`, 'text/plain'],
    [`anneal://${aid}/failure.json`, 'application/json'],
  ] as const) {
    const { contents } = await client.raw.readResource({ uri });
    expect(resources.find((resource) => resource.uri === uri)).toMatchObject({
      mimeType,
      size: Buffer.byteLength(contents[0].text),
      annotations: { lastModified: expect.stringMatching(/^\d{4}-/) },
    });
    expect(contents[0].mimeType).toBe(mimeType);
  }
});

test('what is little stands on one page, whatever its kinds', async () => {
  const directives = Object.fromEntries(
    Array.from({ length: 14 }, (_, index) => [`directives/part-${index}.md`, `# Part ${index}\n`]),
  );
  const app = await createTestApp({ noWorker: true, files: { ...helloHome, ...directives } });
  const task_id = await newTask(app);
  const { aid } = await app.call(recordFailure, { task_id, error_type: 'x', classification: 'script' });
  const client = await open(app, '1.x');
  const { resources, nextCursor } = (await client.raw.listResources()) as {
    resources: { uri: string }[];
    nextCursor?: string;
  };
  expect(nextCursor).toBeUndefined();
  expect(resources.map(({ uri }) => uri)).toEqual(
    expect.arrayContaining([
      'directive://part-13',
      `task://${task_id}`,
      `task://${task_id}/log`,
      `anneal://${aid}/log.txt`,
    ]),
  );
});

test('of many directives, tasks and bundles each stands on one of the pages, of at most 50', async () => {
  const directives = Object.fromEntries(
    Array.from({ length: 120 }, (_, index) => [`directives/part-${index}.md`, `# Part ${index}\n`]),
  );
  const app = await createTestApp({ noWorker: true, files: { ...helloHome, ...directives } });
  const ids: string[] = [];
  for (let count = 0; count < 31; count++) ids.push(await newTask(app));
  for (const task_id of ids.slice(0, 12))
    await app.call(recordFailure, { task_id, error_type: 'x', classification: 'script' });
  const client = await open(app);
  const uris: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.raw.request({ method: 'resources/list', params: cursor === undefined ? {} : { cursor } });
    expect(page.resources.length).toBeLessThanOrEqual(50);
    uris.push(...page.resources.map(({ uri }: { uri: string }) => uri));
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  expect(new Set(uris).size).toBe(uris.length);
  expect(uris.filter((uri) => uri.startsWith('directive://'))).toHaveLength(121);
  expect(uris.filter((uri) => uri.startsWith('task://'))).toHaveLength(62);
  expect(new Set(uris.filter((uri) => uri.startsWith('anneal://')).map((uri) => uri.split('/')[2])).size).toBe(12);
});

test('a title that hides text is listed without it', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { 'directives/odd.md': `# Odd\u202e\u200b ${key}\n` },
  });
  const resources = await listAll(await open(app));
  expect(resources.find(({ uri }) => uri === 'directive://odd')).toMatchObject({ title: 'Odd [redacted]' });
});

test('a cursor that the server did not give is refused', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await open(app);
  await expect(
    client.raw.request({ method: 'resources/list', params: { cursor: 'bm9uc2Vuc2U' } }),
  ).rejects.toMatchObject({ code: -32_602 });
});

test('one revision is read by its hash, also when the file has changed since', async () => {
  const app = await createTestApp({ noWorker: true });
  const { directive } = await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' });
  app.write({ 'directives/hello.md': '---\ntitle: Changed\n---\nOther words.\n' });
  const client = await open(app);
  const { contents } = await client.raw.readResource({ uri: `directive://hello?sha256=${directive.sha256}` });
  expect(contents[0].text).toBe(directive.content);
  const { scriptSha256 } = (await app.dispatcher.store.tasks.list({ limit: 1 })).tasks[0]?.pins ?? {};
  await expect(client.raw.readResource({ uri: `directive://hello?sha256=${scriptSha256}` })).rejects.toMatchObject({
    code: -32_602,
  });
});

test.each(sdks)('an address with a malformed escape is refused as such: SDK %s', async (sdk) => {
  const app = await createTestApp({ noWorker: true });
  const client = await open(app, sdk);
  for (const uri of [
    'directive://%',
    'directive://hello%zz',
    'task://%E0%A4%A/log',
    'anneal://a/%ff',
    'directive://hello?sha256=%',
  ])
    await expect(client.raw.readResource({ uri }), uri).rejects.toMatchObject({
      code: -32_602,
      message: expect.not.stringContaining('URI malformed'),
    });
});

test('of a log that is long, in lines or in letters, the end is read, and that it is one', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await open(app);
  for (const [count, text] of [
    [7_000, ''],
    [10, 'x'.repeat(60_000)],
  ] as const) {
    const taskId = await newTask(app);
    const line = { taskId, runId: null, stream: 'stdout' as const, at: 0 };
    const lines = Array.from({ length: count }, () => ({ ...line, text }));
    await app.dispatcher.store.logs.append([...lines, { ...line, text: 'the last one' }]);
    const { contents } = await client.raw.readResource({ uri: `task://${taskId}/log` });
    const [, note, ...rest] = contents[0].text.split('\n');
    expect(note).toBe('[the end of a longer log]');
    expect(rest.at(-1)).toBe('1970-01-01T00:00:00.000Z stdout the last one');
    expect(rest.join('\n')).toHaveLength(200_000);
  }
});

test('completes every variable of every template', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { aid } = await app.call(recordFailure, { task_id, error_type: 'x', classification: 'script' });
  const client = await open(app);
  const complete = async (uri: string, name: string, value: string, others: Record<string, string> = {}) =>
    (
      await client.raw.complete({
        ref: { type: 'ref/resource', uri },
        argument: { name, value },
        context: { arguments: others },
      })
    ).completion.values;
  expect(await complete('directive://{id}', 'id', 'hel')).toEqual(['hello']);
  expect(await complete('task://{task_id}', 'task_id', 'hello-')).toEqual([task_id]);
  expect(await complete('task://{task_id}/log', 'task_id', 'hello-')).toEqual([task_id]);
  expect(await complete('anneal://{aid}/{file}', 'aid', 'anneal_')).toEqual([aid]);
  expect(await complete('anneal://{aid}/{file}', 'file', 'READ', { aid })).toEqual(['README.md']);
  expect(await complete('anneal://{aid}/{file}', 'file', '', { aid: 'nothing' })).toEqual([]);
  expect(await complete('directive://{id}{?sha256}', 'id', 'hel')).toEqual(['hello']);
  expect(await complete('directive://{id}{?sha256}', 'sha256', '', { id: 'hello' })).toHaveLength(1);
});

test.each(['the same process', 'another process on the home'])(
  'a subscriber of the 2025 era hears of a task that %s changes, and of no other',
  async (who) => {
    const app = await createTestApp({ noWorker: true });
    const changing =
      who === 'the same process' ? app : await createTestApp({ home: app.home, noWorker: true, kind: 'mcp' });
    const [watched, other] = [await newTask(app), await newTask(app)];
    const client = await open(app);
    const heard: string[] = [];
    const first = new Promise<void>((resolve) =>
      client.raw.setNotificationHandler(
        'notifications/resources/updated',
        ({ params }: { params: { uri: string } }) => {
          heard.push(params.uri);
          resolve();
        },
      ),
    );
    await client.raw.subscribeResource({ uri: `task://${watched}` });
    await changing.request(`/tasks/${other}/cancel`, { json: {} });
    await changing.request(`/tasks/${watched}/cancel`, { json: {} });
    await first;
    expect(heard).toEqual([`task://${watched}`]);
  },
);

test('a subscriber of the 2025 era who left hears no more', async () => {
  const app = await createTestApp({ noWorker: true });
  const [left, watched] = [await newTask(app), await newTask(app)];
  const client = await open(app);
  const heard: string[] = [];
  const second = new Promise<void>((resolve) =>
    client.raw.setNotificationHandler('notifications/resources/updated', ({ params }: { params: { uri: string } }) => {
      heard.push(params.uri);
      resolve();
    }),
  );
  for (const id of [left, watched]) await client.raw.subscribeResource({ uri: `task://${id}` });
  await client.raw.unsubscribeResource({ uri: `task://${left}` });
  for (const id of [left, watched]) await app.request(`/tasks/${id}/cancel`, { json: {} });
  await second;
  expect(heard).toEqual([`task://${watched}`]);
});

test('a directive that appears on disk is announced', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await open(app);
  const announced = new Promise<void>((resolve) =>
    client.raw.setNotificationHandler('notifications/resources/list_changed', () => resolve()),
  );
  await client.raw.listResources();
  app.write({ 'directives/another.md': 'Words.\n' });
  await announced;
});

test('lists carry cache hints in the 2026 era: what is fixed may be kept, what the queue says may not', async () => {
  const app = await createTestApp({ noWorker: true });
  const tools = await modernRequest(app, key, { method: 'tools/list', params: {} });
  expect(tools.body.result).toMatchObject({ ttlMs: 600_000, cacheScope: 'public' });
  const resources = await modernRequest(app, key, { method: 'resources/list', params: {} });
  expect(resources.body.result).toMatchObject({ ttlMs: 0, cacheScope: 'private' });
  const sha256 = (await app.dispatcher.directives.byId('hello'))?.sha256;
  const read = (uri: string) => modernRequest(app, key, { method: 'resources/read', params: { uri } });
  expect((await read('directive://hello')).body.result).toMatchObject({ ttlMs: 0 });
  expect((await read(`directive://hello?sha256=${sha256}`)).body.result).toMatchObject({ ttlMs: 86_400_000 });
});
