import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
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
  test('serves the home that --home names, makes its first secrets, and keeps them from others', async () => {
    const at = place(smallHome);
    const client = await connect(at, ['--home', at.home]);
    const { structuredContent } = await client.callTool({ name: 'list_directives', arguments: {} });
    expect(structuredContent).toMatchObject({ directives: [{ id: 'hello' }] });
    expect(statSync(join(at.home, '.env')).mode & 0o777).toBe(0o600);
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

  test('settings that cannot be used are told to the model, which can tell the person', async () => {
    const at = place({ ...smallHome, '.env': 'DOE_CONCURRENCY=many\n' });
    const client = await connect(at, ['--home', at.home]);
    const { isError, content } = await client.callTool({ name: 'list_tasks', arguments: {} });
    expect(isError).toBe(true);
    expect(JSON.stringify(content)).toContain('DOE_CONCURRENCY');
    expect(existsSync(join(at.home, 'db.sqlite'))).toBe(false);
  });

  test('settings that cannot be used are told on stderr with what is allowed', async () => {
    const at = place({ ...smallHome, '.env': 'DOE_CONCURRENCY=many\n' });
    const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
    const messages = [
      { id: 1, method: 'initialize', params: hello },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/call', params: { name: 'list_tasks', arguments: {} } },
    ];
    const input = messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join('');
    const { stderr } = await at.run(['mcp', '--home', at.home], { input });
    const told = stderr.split('\n').find((line) => line.includes('mcp.unavailable')) ?? '{}';
    expect(JSON.parse(told)).toMatchObject({
      error: { code: 'config_invalid', message: expect.stringContaining('DOE_CONCURRENCY') },
      hint: expect.stringMatching(/\S/),
    });
  });

  test.each(['end of stdin', 'SIGTERM', 'SIGINT'] as const)(
    'ends with 0 at the %s, with nothing but MCP on stdout',
    async (how) => {
      const at = place(smallHome);
      const child = spawn(process.execPath, [command(), 'mcp', '--home', at.home], {
        cwd: at.home,
        env: at.environment,
      });
      const end = ended(child);
      const answered = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
      const hello = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
      child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: hello })}\n`);
      await answered;
      if (how === 'end of stdin') child.stdin.end();
      else child.kill(how);
      const { code, stdout } = await end;
      expect(code).toBe(0);
      for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
    },
  );

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

  test('a model never sees a secret of the home', async () => {
    const at = place(smallHome);
    const client = await connect(at, ['--home', at.home]);
    await client.listTools();
    const answers = await Promise.all(
      ['list_directives', 'list_tasks', 'list_automations'].map((name) => client.callTool({ name, arguments: {} })),
    );
    for (const value of readFileSync(join(at.home, '.env'), 'utf8').match(/[\w-]{43}/g) ?? ['none'])
      expect(JSON.stringify(answers)).not.toContain(value);
  });
});
