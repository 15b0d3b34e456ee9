import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cancelTask, taskStatus } from '../../src/tools/index.js';
import { appSecrets, createTestApp, helloHome, temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { approving, connect, sdks, type TestClient } from './clients.js';

const cli = (): string => process.env.DOE_TEST_CLI ?? '';

const failingHome = {
  ...helloHome,
  'directives/broken.md': '---\nretry: { count: 0 }\n---\nFails.\n',
  'execution/broken.sh': 'echo "no way" >&2\nexit 3\n',
};

function newHome(files: Record<string, string> = failingHome): string {
  const home = temporaryFolder();
  writeFiles(home, { ...files, 'anneal-tasks/.keep': '' });
  return home;
}

const stdio = (home: string) => ({
  kind: 'stdio' as const,
  command: process.execPath,
  args: [cli(), 'mcp', '--home', home],
});

async function until(client: TestClient, task_id: unknown, status: string): Promise<Record<string, unknown>> {
  for (;;) {
    const { structuredContent, content } = await client.call('task_status', { task_id, wait_seconds: 20 });
    if (structuredContent === undefined) throw new Error(content[0]?.text);
    const task = structuredContent?.task as Record<string, unknown>;
    if (task.status === status) return task;
    if (task.finished_at !== null) throw new Error(`The task is ${task.status}: ${task.status_reason}`);
  }
}

describe.each(sdks)('SDK %s over stdio', (sdk) => {
  test('calls all twelve tools of a real process', async () => {
    const home = newHome();
    const client = await connect(sdk, stdio(home), approving());
    const called = new Set<string>();
    const call = async (name: string, args: Record<string, unknown> = {}) => {
      called.add(name);
      const answer = await client.call(name, args);
      expect(answer.isError ?? false, JSON.stringify(answer)).toBe(false);
      return answer.structuredContent ?? {};
    };
    const { tools } = await client.raw.listTools();

    expect((await call('list_directives')).directives).toHaveLength(2);
    expect((await call('read_directive', { id: 'hello' })).content).toContain('# Say hello');
    const { task_id } = await call('create_task', { task_type: 'hello', project_id: 'p1', actor_id: 'model' });
    expect(await call('acknowledge', { task_id, actor_id: 'model' })).toMatchObject({ assurance: 'client' });
    called.add('task_status');
    expect(await until(client, task_id, 'succeeded')).toMatchObject({ result: { said: 'hello' } });

    const failing = await call('create_task', { task_type: 'broken', project_id: 'p1', actor_id: 'model' });
    await call('acknowledge', { task_id: failing.task_id, actor_id: 'model' });
    const failed = await until(client, failing.task_id, 'needs_anneal');
    expect(readdirSync(`${home}/anneal-tasks/${failed.aid}`)).toContain('README.md');
    writeFiles(home, { 'execution/broken.sh': 'echo mended\n' });
    expect(await call('anneal_complete', { task_id: failing.task_id, note: 'Mended.' })).toMatchObject({
      status: 'awaiting_ack',
    });
    await call('acknowledge', { task_id: failing.task_id, actor_id: 'model' });
    await until(client, failing.task_id, 'succeeded');

    expect(
      await call('record_failure', { task_id, error_type: 'site_down', classification: 'infrastructure' }),
    ).toHaveProperty('aid');
    expect((await call('list_tasks')).tasks).toHaveLength(2);
    const run_after = new Date(Date.now() + 3_600_000).toISOString();
    const third = await call('create_task', { task_type: 'hello', project_id: 'p2', actor_id: 'model', run_after });
    await call('acknowledge', { task_id: third.task_id, actor_id: 'model' });
    expect(await call('validate_ack', { task_id: third.task_id })).toMatchObject({
      task_id: third.task_id,
      assurance: 'client',
      task_status: 'queued',
    });
    expect(await call('cancel_task', { task_id: third.task_id })).toMatchObject({ status: 'cancelled' });
    const { automations } = (await call('list_automations')) as { automations: { name: string }[] };
    expect(automations.map(({ name }) => name)).toContain('list-clients');
    expect(await call('run_automation', { automation: 'list-clients', params: {} })).toHaveProperty('result');
    expect([...called].sort()).toEqual((tools as { name: string }[]).map(({ name }) => name).sort());
  });
});

interface Line {
  send(message: object): void;
  lines: string[];
  next(): Promise<Record<string, unknown>>;
  /** Resolves once its stderr has said this. */
  said(words: string): Promise<void>;
  child: ReturnType<typeof spawn>;
}

/** A line to the process without any client in between. */
function rawLine(args: string[], cwd?: string): Line {
  const child = spawn(process.execPath, [cli(), 'mcp', ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: tmpdir() },
    ...(cwd === undefined ? {} : { cwd }),
  });
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const unread = reader[Symbol.asyncIterator]();
  reader.on('line', (line) => lines.push(line));
  const log = createInterface({ input: child.stderr });
  return {
    child,
    lines,
    said: (words) => new Promise((resolve) => log.on('line', (line) => (line.includes(words) ? resolve() : undefined))),
    send: (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`),
    next: async () => JSON.parse((await unread.next()).value ?? 'null') as Record<string, unknown>,
  };
}

const initialize = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};

async function handshake(line: Line): Promise<void> {
  line.send(initialize);
  expect(await line.next()).toMatchObject({ id: 1, result: { serverInfo: { name: 'doe-dispatcher' } } });
  line.send({ method: 'notifications/initialized' });
}

test.each(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'])(
  'revision %s is spoken to who asks for it',
  async (revision) => {
    const line = rawLine(['--home', newHome()]);
    line.send({ ...initialize, params: { ...initialize.params, protocolVersion: revision } });
    expect(await line.next()).toMatchObject({ id: 1, result: { protocolVersion: revision } });
  },
);

test('without a home prompts, completions, skills and resources say what to do as well', async () => {
  const line = rawLine([], newHome());
  await handshake(line);
  const ref = { type: 'ref/prompt', name: 'run_directive' };
  const wanted: [method: string, params: object][] = [
    ['prompts/get', { name: 'run_directive', arguments: { directive: 'hello' } }],
    ['prompts/get', { name: 'review_anneal', arguments: { aid: 'anneal_1' } }],
    ['completion/complete', { ref, argument: { name: 'directive', value: 'h' } }],
    ['completion/complete', { ref: { ...ref, name: 'review_anneal' }, argument: { name: 'aid', value: 'a' } }],
    [
      'completion/complete',
      { ref: { type: 'ref/resource', uri: 'directive://{id}' }, argument: { name: 'id', value: 'h' } },
    ],
    ['resources/list', {}],
    ['resources/read', { uri: 'directive://hello' }],
    ['resources/read', { uri: 'skill://hello/SKILL.md' }],
  ];
  for (const [index, [method, params]] of wanted.entries()) {
    line.send({ id: index + 10, method, params });
    const { error } = await answersTo(line, index + 10);
    expect([method, error]).toEqual([
      method,
      expect.objectContaining({ code: -32_602, message: expect.stringContaining('doe init --home') }),
    ]);
  }
});

/** The next message with these fields; what else comes in between is passed over. */
async function nextWith(line: Line, wanted: { id?: number; method?: string }): Promise<Record<string, unknown>> {
  for (;;) {
    const message = await line.next();
    if (Object.entries(wanted).every(([name, value]) => message[name] === value)) return message;
  }
}

const answersTo = (line: Line, id: number) => nextWith(line, { id });

/** Creates and acknowledges a task on a line of the 2025 era, with the client's form answered as a person does. */
async function startTask(line: Line, task_type: string): Promise<string> {
  const call = (id: number, name: string, args: object) =>
    line.send({ id, method: 'tools/call', params: { name, arguments: args } });
  line.send({ ...initialize, params: { ...initialize.params, capabilities: { elicitation: {} } } });
  await answersTo(line, 1);
  line.send({ method: 'notifications/initialized' });
  call(2, 'create_task', { task_type, project_id: 'p', actor_id: 'm', task_id: 'T' });
  await answersTo(line, 2);
  call(3, 'acknowledge', { task_id: 'T', actor_id: 'm' });
  const form = await nextWith(line, { method: 'elicitation/create' });
  line.send({ id: form.id, result: { action: 'accept', content: { task_id: 'T', decision: 'approve' } } });
  expect(await answersTo(line, 3)).toMatchObject({ result: { structuredContent: { assurance: 'client' } } });
  return 'T';
}

/** What a script wrote into a file, once it has. */
function written(path: string): Promise<string> {
  return new Promise((resolve) => {
    const look = () => {
      const text = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
      if (text === '') return;
      news.close();
      resolve(text);
    };
    const news = watch(dirname(path), look);
    look();
  });
}

/** How the task ended, as another process of the home sees it. */
async function ending(home: string, task_id: string) {
  const app = await createTestApp({ home, files: {}, noWorker: true, start: false });
  return (await app.call(taskStatus, { task_id })).task;
}

/** Writes all of this and closes stdin at once, as `echo … | doe mcp` does; answers what came by its id, and the exit code. */
async function allAtOnce(line: Line, messages: object[]) {
  const exit = once(line.child, 'close');
  const text = messages.map((message) => `${JSON.stringify(message)}\n`).join('');
  line.child.stdin?.end(text);
  const [code] = await exit;
  const said = line.lines.flatMap((one) => JSON.parse(one) as { id?: number; method?: string; result?: object });
  return { code, said, answers: new Map(said.filter(({ id, method }) => id && !method).map((one) => [one.id, one])) };
}

const rpc = (message: object) => ({ jsonrpc: '2.0', ...message });
const call = (id: number, name: string, args: object = {}) =>
  rpc({ id, method: 'tools/call', params: { name, arguments: args } });
const helloTask = { task_type: 'hello', project_id: 'p', actor_id: 'm', task_id: 'T' };
const asked = [
  rpc({ method: 'notifications/initialized' }),
  call(2, 'create_task', helloTask),
  call(3, 'list_directives'),
  rpc({ id: 4, method: 'resources/list' }),
  rpc({ id: 5, method: 'prompts/list' }),
];

describe('what was asked before stdin ended is answered', () => {
  test('by a process that is started for it: everything in one go, and exit 0', async () => {
    const home = newHome();
    const { code, answers } = await allAtOnce(rawLine(['--home', home]), [rpc(initialize), ...asked]);
    expect([...answers.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    expect(answers.get(2)?.result).toMatchObject({ structuredContent: { task_id: 'T', status: 'awaiting_ack' } });
    expect(answers.get(3)?.result).toMatchObject({ structuredContent: { directives: { length: 2 } } });
    expect(code).toBe(0);
  });

  test('by one that is at work already', async () => {
    const line = rawLine(['--home', newHome()]);
    await handshake(line);
    line.send(call(10, 'list_tasks'));
    await answersTo(line, 10);
    const { code, answers } = await allAtOnce(line, asked.slice(1));
    expect([...answers.keys()].sort()).toEqual([1, 10, 2, 3, 4, 5]);
    expect(code).toBe(0);
  });

  test('in the 2026 era too, and the last line needs no end', async () => {
    const line = rawLine(['--home', newHome()]);
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
      'io.modelcontextprotocol/clientCapabilities': {},
    };
    const params = { name: 'create_task', arguments: helloTask, _meta };
    const exit = once(line.child, 'close');
    line.child.stdin?.end(JSON.stringify(rpc({ id: 1, method: 'tools/call', params })));
    expect(await line.next()).toMatchObject({ id: 1, result: { structuredContent: { task_id: 'T' } } });
    expect((await exit)[0]).toBe(0);
  });

  test('a call that waits for a change, and one that waits for its person, with what is so now', async () => {
    const line = rawLine(['--home', newHome()]);
    line.send({ ...initialize, params: { ...initialize.params, capabilities: { elicitation: {} } } });
    await answersTo(line, 1);
    line.send({ method: 'notifications/initialized' });
    line.send(call(2, 'create_task', helloTask));
    await answersTo(line, 2);
    line.send(call(3, 'acknowledge', { task_id: 'T', actor_id: 'm' }));
    await nextWith(line, { method: 'elicitation/create' });
    const ended = Date.now();
    const late = [
      call(4, 'task_status', { task_id: 'T', wait_seconds: 45 }),
      call(5, 'acknowledge', { task_id: 'T', actor_id: 'm' }),
    ];
    const { code, said, answers } = await allAtOnce(line, late);
    expect(answers.get(4)?.result).toMatchObject({ structuredContent: { task: { status: 'awaiting_ack' } } });
    for (const id of [3, 5])
      expect(answers.get(id)?.result).toMatchObject({
        structuredContent: { status: 'awaiting_ack', next: expect.stringContaining('closed the line') },
      });
    expect(said.filter(({ method }) => method === 'elicitation/create')).toHaveLength(1);
    expect(code).toBe(0);
    expect(Date.now() - ended).toBeLessThan(20_000);
  });
});

describe('a batch', () => {
  const batch = [
    call(2, 'list_directives'),
    rpc({ id: 3, method: 'ping' }),
    rpc({ method: 'notifications/initialized' }),
  ];

  test.each(['2024-11-05', '2025-03-26'])('of a client of %s is answered by one array', async (protocolVersion) => {
    const line = rawLine(['--home', newHome()]);
    const hello = rpc({ ...initialize, params: { ...initialize.params, protocolVersion } });
    const { code } = await allAtOnce(line, [hello, batch, rpc({ id: 4, method: 'ping' })]);
    const arrays = line.lines.map((text) => JSON.parse(text) as { id: number }[]).filter(Array.isArray);
    expect(arrays.map((answers) => answers.map(({ id }) => id).sort())).toEqual([[2, 3]]);
    expect(line.lines).toHaveLength(3);
    expect(code).toBe(0);
  });

  test('is none to a client of a later revision, which knows no batches', async () => {
    const line = rawLine(['--home', newHome()]);
    const { answers } = await allAtOnce(line, [rpc(initialize), batch, rpc({ id: 4, method: 'ping' })]);
    expect([...answers.keys()].sort()).toEqual([1, 4]);
  });

  test('of which a request was taken back answers the others', async () => {
    const line = rawLine(['--home', newHome()]);
    line.send({ ...initialize, params: { ...initialize.params, protocolVersion: '2025-03-26' } });
    await answersTo(line, 1);
    line.send({ method: 'notifications/initialized' });
    line.send(call(2, 'create_task', helloTask));
    await answersTo(line, 2);
    const pair = [call(3, 'task_status', { task_id: 'T', wait_seconds: 45 }), rpc({ id: 4, method: 'ping' })];
    line.child.stdin?.write(`${JSON.stringify(pair)}\n`);
    line.send({ method: 'notifications/cancelled', params: { requestId: 3 } });
    expect(await line.next()).toMatchObject([{ id: 4 }]);
  });
});

describe('the end of stdin, and nothing else', () => {
  test('a script that goes on is settled as interrupted, and the process ends with 0', async () => {
    const home = newHome({
      ...appSecrets,
      'directives/slow.md': '---\nretry: { count: 0 }\n---\nSlow.\n',
      'execution/slow.sh': 'echo "$$" > pid\necho started\nsleep 600\n',
    });
    const line = rawLine(['--home', home]);
    const task_id = await startTask(line, 'slow');
    const pid = Number(await written(join(home, 'pid')));
    line.child.stdin?.end();
    expect(await once(line.child, 'exit')).toEqual([0, null]);
    expect(() => process.kill(pid, 0)).toThrow();
    expect(await ending(home, task_id)).toMatchObject({ outcome: 'interrupted', status: 'needs_anneal' });
  });

  test('a client that dies with all its pipes, a call unanswered: the script is settled as interrupted all the same', async () => {
    const home = newHome({
      ...appSecrets,
      'directives/slow.md': '---\nretry: { count: 0 }\n---\nSlow.\n',
      'execution/slow.sh': 'echo "$$" > pid\nsleep 600\n',
    });
    const line = rawLine(['--home', home]);
    const task_id = await startTask(line, 'slow');
    await written(join(home, 'pid'));
    line.send({
      id: 9,
      method: 'tools/call',
      params: { name: 'task_status', arguments: { task_id, wait_seconds: 45 } },
    });
    line.send({ id: 10, method: 'ping' });
    await answersTo(line, 10);
    const exit = once(line.child, 'exit');
    for (const pipe of [line.child.stdout, line.child.stderr, line.child.stdin]) pipe?.destroy();
    expect(await exit).toEqual([0, null]);
    expect(await ending(home, task_id)).toMatchObject({ outcome: 'interrupted', status: 'needs_anneal' });
  });

  test('a script that ends within the two seconds that it is given has succeeded', async () => {
    const home = newHome({
      ...appSecrets,
      'directives/brief.md': '---\nretry: { count: 0 }\n---\nBrief.\n',
      'execution/brief.mjs': `
import { existsSync, watch, writeFileSync } from 'node:fs';
const look = () => existsSync('gate') && process.exit(0);
watch('.', look);
writeFileSync('pid', String(process.pid));
look();
`,
    });
    const line = rawLine(['--home', home]);
    const task_id = await startTask(line, 'brief');
    await written(join(home, 'pid'));
    const exit = once(line.child, 'exit');
    const stopping = line.said('mcp.stopping');
    line.child.stdin?.end();
    await stopping;
    writeFiles(home, { gate: '' });
    expect(await exit).toEqual([0, null]);
    expect(await ending(home, task_id)).toMatchObject({ outcome: 'succeeded', status: 'succeeded' });
  });
});

test('a subscriber of the 2025 era hears of what another process on the home did', async () => {
  const home = newHome({ ...helloHome, ...appSecrets });
  const watching = await connect('2.x legacy', stdio(home));
  const { structuredContent } = await watching.call('create_task', {
    task_type: 'hello',
    project_id: 'p',
    actor_id: 'm',
  });
  const task_id = String(structuredContent?.task_id);
  const heard = new Promise<string>((resolve) =>
    watching.raw.setNotificationHandler('notifications/resources/updated', ({ params }: { params: { uri: string } }) =>
      resolve(params.uri),
    ),
  );
  await watching.raw.subscribeResource({ uri: `task://${task_id}` });
  const other = await createTestApp({ home, files: {}, noWorker: true, start: false });
  await other.call(cancelTask, { task_id });
  expect(await heard).toBe(`task://${task_id}`);
});

test('a version probe starts and ends without a trace in the home, with exit 0', async () => {
  const home = newHome();
  const before = readdirSync(home, { recursive: true }).sort();
  const line = rawLine(['--home', home]);
  await handshake(line);
  line.send({ id: 2, method: 'tools/list' });
  expect(await line.next()).toMatchObject({ id: 2 });
  line.child.stdin?.end();
  const [code] = await once(line.child, 'exit');
  expect(code).toBe(0);
  expect(readdirSync(home, { recursive: true }).sort()).toEqual(before);
});

test('every line on stdout is a protocol message, whatever scripts print', async () => {
  const home = newHome({
    'directives/loud.md': '---\nretry: { count: 0 }\n---\nLoud.\n',
    'execution/loud.sh': 'for i in 1 2 3; do echo "{\\"jsonrpc\\":\\"2.0\\",\\"forged\\":$i}"; done\n',
  });
  const line = rawLine(['--home', home]);
  const task_id = await startTask(line, 'loud');
  let id = 10;
  for (let status = ''; status !== 'succeeded'; id += 1) {
    line.send({
      id,
      method: 'tools/call',
      params: { name: 'task_status', arguments: { task_id, wait_seconds: 20 } },
    });
    const { result } = (await answersTo(line, id)) as { result: { structuredContent: { task: { status: string } } } };
    status = result.structuredContent.task.status;
  }
  line.child.stdin?.end();
  await once(line.child, 'exit');
  expect(line.lines.some((text) => text.includes('forged'))).toBe(true);
  for (const text of line.lines) expect(JSON.parse(text)).toMatchObject({ jsonrpc: '2.0' });
  for (const text of line.lines) expect(JSON.parse(text)).not.toHaveProperty('forged');
});

test('whatever else in the process prints, stdout carries the protocol alone', async () => {
  const build = dirname(dirname(process.env.DOE_TEST_CLI ?? ''));
  const program = `
    const { serveStdio } = await import(${JSON.stringify(join(build, 'mcp/serve-stdio.js'))});
    const { silentLog } = await import(${JSON.stringify(join(build, 'log.js'))});
    serveStdio({ dispatcher: new Promise(() => {}), log: silentLog, onEnd: () => process.exit(0) });
    console.log('noise');
    process.stdout.write('more noise');
  `;
  const { stdout, stderr } = await new Promise<{ stdout: string; stderr: string }>((resolve) => {
    const child = execFile(process.execPath, ['--input-type=module', '-e', program], (_error, out, err) =>
      resolve({ stdout: out, stderr: err }),
    );
    child.stdin?.end();
  });
  expect(stdout).toBe('');
  expect(stderr).toContain('noise');
  expect(stderr).toContain('more noise');
});
