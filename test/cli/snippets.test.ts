// The README's and mcp.json.example's configurations: each parses, and what it starts or reaches is a server.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { expect, test } from 'vitest';
import { packageRoot } from '../../src/version.js';
import { command, place, smallHome } from '../helpers/doe.js';
import { createTestApp, operatorKey } from '../helpers/test-app.js';
import { connect } from '../mcp/clients.js';

interface Entry {
  command?: string;
  args?: string[];
  url?: string;
  headers?: Record<string, string>;
}

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(([, kind = '', text = '']) => ({ kind, text }));

/** Every server of a configuration, whatever its client calls the table. */
const entriesOf = (config: Record<string, unknown>): Entry[] =>
  ['mcpServers', 'servers', 'context_servers', 'mcp_servers'].flatMap((name) =>
    Object.values((config[name] ?? {}) as Record<string, Entry>),
  );

const fromLine = (line: string): Entry[] => {
  const words = line.split(' ').slice(line.split(' ').lastIndexOf('npx'));
  return [{ command: words[0] ?? '', args: words.slice(1) }];
};

const fromText = ({ kind, text }: { kind: string; text: string }): Entry[] => {
  if (kind === 'json') return entriesOf(JSON.parse(text));
  if (kind === 'toml') return entriesOf(parseToml(text));
  const line = text.split('\n').find((one) => /^(claude mcp add|npx @modelcontextprotocol\/inspector) /.test(one));
  return line === undefined ? [] : fromLine(line);
};

const links = [...readme.matchAll(/\]\((https:[^)]*install[^)]*config=[^)]*)\)/g)].map(
  ([, link = '']) => new URL(link),
);

/** Cursor's is in base64, the one of VS Code plain. */
const fromLink = ({ searchParams }: URL): Entry => {
  const config = searchParams.get('config') ?? '';
  return JSON.parse(config.startsWith('{') ? config : Buffer.from(config, 'base64').toString()) as Entry;
};

const example = entriesOf(JSON.parse(readFileSync(join(packageRoot, 'mcp.json.example'), 'utf8')));
const all = [...blocks.flatMap(fromText), ...links.map(fromLink), ...example];
const started = all.filter(({ command: program }) => program !== undefined);
const reached = all.filter(({ url }) => url !== undefined);

test('the README holds a configuration for each client and both install links', () => {
  expect(links.map(({ host }) => host)).toEqual(['cursor.com', 'insiders.vscode.dev']);
  for (const client of ['Cursor', 'Claude Desktop', 'Claude Code', 'VS Code', 'Codex', 'Zed', 'MCP Inspector'])
    expect(readme).toContain(`| ${client} |`);
  expect(started.length).toBeGreaterThanOrEqual(9);
  expect(reached.length).toBeGreaterThanOrEqual(3);
});

test('each that starts a program names the package and its arguments as npx takes them, and these start a server', async () => {
  const asNpxTakesThem = ['-y', '--allow-scripts=better-sqlite3', 'doe-dispatcher'];
  const taken = new Set<string>();
  for (const { command: program, args = [] } of started) {
    expect([program, ...args.slice(0, 3)]).toEqual(['npx', ...asNpxTakesThem]);
    expect(args.at(-1)).toMatch(/^(\/|\$\{)/);
    taken.add(JSON.stringify(args.slice(3, -1)));
  }
  const { home, environment } = place(smallHome);
  for (const args of taken) {
    const client = await connect('2.x legacy', {
      kind: 'stdio',
      command: process.execPath,
      args: [command(), ...(JSON.parse(args) as string[]), home],
      env: environment,
    });
    expect((await client.raw.listTools()).tools).toHaveLength(12);
  }
});

test('each that reaches a running bridge gives the path and the header that it wants', async () => {
  const app = await createTestApp({ noWorker: true });
  const key = operatorKey.slice(operatorKey.indexOf(':') + 1);
  for (const { url = '', headers = {} } of reached) {
    expect(new URL(url).host).toBe('127.0.0.1:3001');
    expect(Object.keys(headers)).toEqual(['X-API-Key']);
    const answer = await app.request(new URL(url).pathname, {
      key: null,
      headers: { 'X-API-Key': key, Accept: 'application/json, text/event-stream' },
      json: {
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
      },
    });
    expect(answer.status).toBe(200);
    await answer.body?.cancel();
  }
});
