import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { parse } from 'dotenv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { command, ended, type Place, place, smallHome } from '../helpers/doe.js';

async function connect(at: Place, args: string[], environment: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'test', version: '1.0.0' });
  onTestFinished(() => client.close());
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [command(), 'mcp', ...args],
      cwd: at.home,
      env: { ...at.environment, ...environment },
      stderr: 'ignore',
    }),
  );
  return client;
}

/** Everything below a folder. */
const tree = (folder: string): string[] => readdirSync(folder, { recursive: true }).map(String).sort();

describe('doe mcp', () => {
  test('serves the home that --home names, makes its first secrets, and keeps them from others and from the model', async () => {
    const at = place(smallHome);
    const client = await connect(at, ['--home', at.home]);
    const { structuredContent } = await client.callTool({ name: 'list_directives', arguments: {} });
    expect(structuredContent).toMatchObject({ directives: [{ id: 'hello' }] });
    expect(statSync(join(at.home, '.env')).mode & 0o777).toBe(0o600);
    const answers = await Promise.all(
      ['list_directives', 'list_tasks', 'list_automations'].map((name) => client.callTool({ name, arguments: {} })),
    );
    const secrets = Object.values(parse(readFileSync(join(at.home, '.env'))));
    expect(secrets).toHaveLength(2);
    for (const value of secrets) expect(JSON.stringify(answers)).not.toContain(value);
  });

  test('serves the home that DOE_HOME names', async () => {
    const at = place(smallHome);
    const client = await connect(at, [], { DOE_HOME: at.home });
    const { structuredContent } = await client.callTool({ name: 'list_directives', arguments: {} });
    expect(structuredContent).toMatchObject({ directives: [{ id: 'hello' }] });
  });

  test("in a stranger's clone it starts, every tool says what to do, and nothing is written anywhere", async () => {
    const at = place({
      ...smallHome,
      '.env': 'MCP_SECRET=planted-planted-planted-planted-planted\nMCP_API_KEY=planted\n',
    });
    const before = tree(at.folder);
    const client = await connect(at, []);
    const { tools } = await client.listTools();
    expect(tools).toHaveLength(12);
    const { isError, content } = await client.callTool({ name: 'list_directives', arguments: {} });
    expect(isError).toBe(true);
    expect(JSON.stringify(content)).toContain('--home');
    expect(JSON.stringify(content)).toContain('home_not_found');
    await client.close();
    expect(tree(at.folder)).toEqual(before);
  });

  test('also in a home that this user laid out it takes none that is not named', async () => {
    const at = place();
    await at.doe(['init']);
    const client = await connect(at, []);
    expect((await client.callTool({ name: 'list_directives', arguments: {} })).isError).toBe(true);
  });

  test('a folder that is no home is not laid out', async () => {
    const at = place();
    const empty = join(at.folder, 'empty');
    mkdirSync(empty);
    const client = await connect(at, ['--home', empty]);
    const { isError, content } = await client.callTool({ name: 'list_tasks', arguments: {} });
    expect(isError).toBe(true);
    expect(JSON.stringify(content)).toContain('doe init');
    expect(readdirSync(empty)).toEqual([]);
  });

  test('settings that cannot be used are told to the model, which can tell the person, and on stderr', async () => {
    const at = place({ ...smallHome, '.env': 'DOE_CONCURRENCY=many\n' });
    const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const messages = [
      { id: 1, method: 'initialize', params: hello },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/call', params: { name: 'list_tasks', arguments: {} } },
    ];
    const input = messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join('');
    const { stdout, stderr } = await at.run(['mcp', '--home', at.home], { input });
    const answer = stdout.split('\n').find((line) => line.includes('"id":2')) ?? '{}';
    expect(JSON.parse(answer)).toMatchObject({ result: { isError: true } });
    expect(answer).toContain('DOE_CONCURRENCY');
    const told = stderr.split('\n').find((line) => line.includes('mcp.unavailable')) ?? '{}';
    expect(JSON.parse(told)).toMatchObject({
      error: { code: 'config_invalid', message: expect.stringContaining('DOE_CONCURRENCY') },
      hint: expect.stringMatching(/\S/),
    });
    expect(existsSync(join(at.home, 'db.sqlite'))).toBe(false);
  });

  test('zod is set up once, before any schema of its own or of the SDK is made', async () => {
    const at = place();
    const tell = `globalThis.__zod_globalConfig = new Proxy({}, {
      set: (config, name, value) => {
        if (name === 'memoizer') console.error('zod.memoizer', value.attach.length);
        return Reflect.set(config, name, value);
      },
    })`;
    const { stderr } = await at.run(['mcp', '--home', at.home], {
      environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(tell)}` },
    });
    // One that does something takes the schema that it is attached to.
    expect(stderr.match(/zod\.memoizer.*/g)).toEqual(['zod.memoizer 0']);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('ends with 0 at the %s, with nothing but MCP on stdout', async (signal) => {
    const at = place(smallHome);
    const child = at.start(['mcp', '--home', at.home]);
    const end = ended(child);
    const answered = once(child.stdout ?? child, 'data');
    const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello })}\n`);
    await answered;
    child.kill(signal);
    const { code, stdout } = await end;
    expect(code).toBe(0);
    for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
  });

  test('the bridge of a doe mcp is found by commands of the same home', async () => {
    const at = place(smallHome);
    const client = await connect(at, ['--home', at.home]);
    await client.callTool({
      name: 'create_task',
      arguments: { task_type: 'hello', project_id: 'p', actor_id: 'a', task_id: 'T' },
    });
    const { stdout } = await at.doe(['tasks', '--json', '--home', at.home]);
    expect(JSON.parse(stdout)).toMatchObject({ tasks: [{ task_id: 'T', status: 'awaiting_ack' }] });
  });
});
