// How each MCP client is told to start `doe mcp` for a home, or to reach a running `doe serve`.
import { realpathSync } from 'node:fs';

/** A program with its arguments. */
export interface Launch {
  command: string;
  args: string[];
}

/** npm 12 lets a package run its install script under npx only where it is allowed by name. */
const byNpx = (home: string): Launch => ({
  command: 'npx',
  args: ['-y', '--allow-scripts=better-sqlite3', 'doe-dispatcher', 'mcp', '--home', home],
});

/** What puts `doe` itself on the PATH. */
export const installLine = 'npm install --global --allow-scripts=better-sqlite3 doe-dispatcher';

/** As this very command was started: by npx where it came from npx's cache, else by its own path, which needs no PATH. */
export function launchFor(home: string, { execPath, argv }: Pick<NodeJS.Process, 'execPath' | 'argv'>): Launch {
  const script = realpathSync(argv[1] ?? '');
  return script.includes('/_npx/') ? byNpx(home) : { command: execPath, args: [script, 'mcp', '--home', home] };
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);

const bridgeUrl = 'http://127.0.0.1:3001/mcp';

/** The form that most clients read, for `mcp.json`: over stdio, and over HTTP for where `doe serve` runs. */
export const exampleFile = ({ command, args }: Launch): string =>
  json({
    mcpServers: {
      doe: { command, args },
      'doe-over-http': {
        type: 'http',
        url: bridgeUrl,
        headers: { 'X-API-Key': 'MCP_API_KEY of the .env in the home' },
      },
    },
  });

export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

export interface Snippet {
  client: string;
  /** The file that it goes into; null for a command to run. */
  file: string | null;
  text: string;
  /** A link that installs the same, where the client has such. */
  link?: string;
}

export function snippets(launch: Launch): Snippet[] {
  const { command, args } = launch;
  const line = [command, ...args].map(shellWord).join(' ');
  const mcpServers = json({ mcpServers: { doe: launch } });
  const install = {
    cursor: `cursor://anysphere.cursor-deeplink/mcp/install?name=doe&config=${encodeURIComponent(Buffer.from(JSON.stringify(launch)).toString('base64'))}`,
    vsCode: `vscode:mcp/install?${encodeURIComponent(JSON.stringify({ name: 'doe', type: 'stdio', command, args }))}`,
  };
  return [
    { client: 'Cursor', file: '.cursor/mcp.json or ~/.cursor/mcp.json', text: mcpServers, link: install.cursor },
    { client: 'Claude Desktop', file: 'claude_desktop_config.json', text: mcpServers },
    { client: 'Claude Code', file: null, text: `claude mcp add doe -- ${line}` },
    {
      client: 'VS Code',
      file: '.vscode/mcp.json',
      text: json({ servers: { doe: { type: 'stdio', command, args } } }),
      link: install.vsCode,
    },
    { client: 'VS Code, over HTTP', file: '.vscode/mcp.json', text: json(vsCodeOverHttp) },
    {
      client: 'Codex',
      file: '~/.codex/config.toml',
      text: `[mcp_servers.doe]\ncommand = ${JSON.stringify(command)}\nargs = ${JSON.stringify(args)}`,
    },
    { client: 'Zed', file: 'settings.json', text: json({ context_servers: { doe: { command, args, env: {} } } }) },
    { client: 'MCP Inspector', file: null, text: `npx @modelcontextprotocol/inspector ${line}` },
  ];
}

/** The key is asked for and kept by the editor, not written into the file. */
const vsCodeOverHttp = {
  inputs: [{ type: 'promptString', id: 'doe-key', description: 'MCP_API_KEY of the home', password: true }],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the editor fills it in
  servers: { doe: { type: 'http', url: bridgeUrl, headers: { 'X-API-Key': '${input:doe-key}' } } },
};
