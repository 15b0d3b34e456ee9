import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, onTestFinished, test } from 'vitest';
import { packageRoot } from '../../src/version.js';
import { command, place } from '../helpers/doe.js';

interface Done {
  home: string;
  created: string[];
  kept: string[];
  secrets: string[];
  trusted: string[];
  untrusted: string[];
  foreign_scripts: string[];
  clients: { client: string; file: string | null; text: string; link?: string }[];
}

const done = (stdout: string) => JSON.parse(stdout) as Done;

describe('doe init', () => {
  test('lays out a home in the current folder that then works from any folder in it, without a bridge', async () => {
    const { doe, run, home } = place();
    const { code, stdout } = await run(['init']);
    expect(code).toBe(0);
    expect(stdout).toContain('directives/import-site.md');
    expect(readdirSync(home).sort()).toEqual(
      ['.env', '.gitignore', 'anneal-tasks', 'db.sqlite', 'directives', 'execution', 'mcp.json.example'].sort(),
    );
    const listed = await doe(['directives', '--check', '--json'], { cwd: join(home, 'execution') });
    expect(listed.code).toBe(0);
    const { directives } = JSON.parse(listed.stdout) as { directives: { id: string; problems: string[] }[] };
    expect(directives.map(({ id }) => id)).toContain('import-site');
    expect(directives.flatMap(({ problems }) => problems)).toEqual([]);
    for (const name of ['.env', 'db.sqlite']) expect(statSync(join(home, name)).mode & 0o077).toBe(0);
  });

  test('trusts exactly what it wrote, so that nothing waits for trust afterwards', async () => {
    const { doe } = place();
    const { trusted, untrusted } = done((await doe(['init', '--json'])).stdout);
    expect(trusted).toContain('deploy-project');
    expect(untrusted).toEqual([]);
    const { items } = JSON.parse((await doe(['trust', '--json'])).stdout) as { items: { trusted: boolean }[] };
    expect(items.length).toBeGreaterThan(0);
    expect(items.every((item) => item.trusted)).toBe(true);
  });

  test("trusts nothing in the company of a stranger's script, which could be loaded by ours", async () => {
    const { doe } = place({ 'execution/json.py': 'print("not the real one")\n' });
    const { trusted, untrusted, foreign_scripts } = done((await doe(['init', '--json'])).stdout);
    expect(foreign_scripts).toEqual(['json.py']);
    expect(trusted).toEqual([]);
    expect(untrusted).toContain('deploy-project');
  });

  test('trusts no directive that was there before, whatever it is called', async () => {
    const planted = '---\nrequire_ack: false\n---\n# Deploy\n';
    const { doe, home } = place({ 'directives/deploy-project.md': planted });
    const { untrusted } = done((await doe(['init', '--json'])).stdout);
    expect(untrusted).toContain('deploy-project');
    expect(readFileSync(join(home, 'directives', 'deploy-project.md'), 'utf8')).toBe(planted);
  });

  test('a second time it keeps everything: files, secrets, database', async () => {
    const { doe, home } = place();
    await doe(['init']);
    const before = readFileSync(join(home, '.env'), 'utf8');
    const { created, secrets, kept } = done((await doe(['init', '--json'])).stdout);
    expect({ created, secrets }).toEqual({ created: [], secrets: [] });
    expect(kept).toContain('directives/import-site.md');
    expect(readFileSync(join(home, '.env'), 'utf8')).toBe(before);
  });

  test('prints for each client how to start doe mcp, no secret in it; each parses and starts the same program, a server', async () => {
    const { run, home, environment } = place();
    const { stdout } = await run(['init', '--json']);
    const { clients } = done(stdout);
    const known = ['Cursor', 'Claude Desktop', 'Claude Code', 'VS Code', 'VS Code, over HTTP', 'Codex', 'Zed'];
    expect(clients.map(({ client }) => client)).toEqual([...known, 'MCP Inspector']);
    for (const value of readFileSync(join(home, '.env'), 'utf8').match(/[\w-]{43}/g) ?? ['none'])
      expect(stdout).not.toContain(value);
    const textOf = (name: string) => clients.find(({ client }) => client === name)?.text ?? '';
    const launch = { command: process.execPath, args: [command(), 'mcp', '--home', home] };
    const line = [launch.command, ...launch.args].join(' ');
    expect(JSON.parse(textOf('Cursor'))).toEqual({ mcpServers: { doe: launch } });
    expect(JSON.parse(textOf('Claude Desktop'))).toEqual({ mcpServers: { doe: launch } });
    expect(JSON.parse(textOf('VS Code'))).toEqual({ servers: { doe: { type: 'stdio', ...launch } } });
    expect(JSON.parse(textOf('VS Code, over HTTP'))).toMatchObject({ inputs: [{ password: true }] });
    expect(JSON.parse(textOf('Zed'))).toMatchObject({ context_servers: { doe: launch } });
    expect(parseToml(textOf('Codex'))).toEqual({ mcp_servers: { doe: launch } });
    expect(textOf('Claude Code')).toBe(`claude mcp add doe -- ${line}`);
    expect(textOf('MCP Inspector')).toContain(line);
    const links = clients.flatMap(({ link }) => (link === undefined ? [] : [new URL(link)]));
    const [cursor = '', vsCode = ''] = [
      links[0]?.searchParams.get('config'),
      decodeURIComponent(links[1]?.search ?? ''),
    ];
    expect(JSON.parse(Buffer.from(cursor ?? '', 'base64').toString())).toEqual(launch);
    expect(JSON.parse(vsCode?.slice(1) ?? '')).toEqual({ name: 'doe', type: 'stdio', ...launch });

    const exampleOf = (folder: string) =>
      JSON.parse(readFileSync(join(folder, 'mcp.json.example'), 'utf8')) as { mcpServers: object };
    expect(exampleOf(home).mcpServers).toMatchObject({ doe: launch });
    expect(Object.keys(exampleOf(packageRoot).mcpServers)).toEqual(Object.keys(exampleOf(home).mcpServers));

    const client = new Client({ name: 'test', version: '1.0.0' });
    onTestFinished(() => client.close());
    await client.connect(new StdioClientTransport({ ...launch, env: environment, stderr: 'ignore' }));
    expect((await client.listTools()).tools).toHaveLength(12);
  });

  test('a file where a folder belongs: exit 1, and nothing else is written', async () => {
    const { doe, home } = place({ directives: 'a file' });
    const { code, stderr } = await doe(['init']);
    expect(code).toBe(1);
    expect(stderr).toContain(join(home, 'directives'));
    expect(readdirSync(home)).toEqual(['directives']);
  });

  test.each([
    ['DOE_CONCURENCY=4', 'DOE_CONCURENCY'],
    ['MCP_SECRET=your-secret-key-here-change-this', 'placeholder'],
    ['MCP_SECRET=short', 'bytes'],
  ])('%s in an existing .env is named before anything is written: exit 2', async (line, words) => {
    const { doe, home } = place({ '.env': `${line}\n` });
    const { code, stderr } = await doe(['init']);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
    expect(readdirSync(home)).toEqual(['.env']);
  });

  test('a home with a space in its name, and the key and address of an older set-up, works', async () => {
    const { doe, home } = place({ 'my home/.env': 'MCP_API_KEY=key1\n' });
    const { clients } = done((await doe(['init', '--json', '--home', 'my home'])).stdout);
    expect(clients.find(({ client }) => client === 'Claude Code')?.text).toContain(`'${join(home, 'my home')}'`);
    expect((await doe(['directives', '--check', '--home', 'my home'])).code).toBe(0);
  });
});
