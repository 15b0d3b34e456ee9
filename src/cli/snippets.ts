// How each MCP client is told to start `doe mcp` for a home.
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

/** As this very command was started: by npx where it came from npx's cache, else by its own path, which needs no PATH. */
export function launchFor(home: string, { execPath, argv }: Pick<NodeJS.Process, 'execPath' | 'argv'>): Launch {
  const script = realpathSync(argv[1] ?? '');
  return script.includes('/_npx/') ? byNpx(home) : { command: execPath, args: [script, 'mcp', '--home', home] };
}

const json = (value: unknown): string => JSON.stringify(value, null, 2);

/** The form that most clients read, for `mcp.json`. */
export const mcpServers = ({ command, args }: Launch): string => json({ mcpServers: { doe: { command, args } } });

const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

export interface Snippet {
  client: string;
  /** The file that it goes into; null for a command to run. */
  file: string | null;
  text: string;
}

export function snippets(launch: Launch): Snippet[] {
  const { command, args } = launch;
  const line = [command, ...args].map(shellWord).join(' ');
  return [
    { client: 'Cursor', file: '.cursor/mcp.json or ~/.cursor/mcp.json', text: mcpServers(launch) },
    { client: 'Claude Desktop', file: 'claude_desktop_config.json', text: mcpServers(launch) },
    { client: 'Claude Code', file: null, text: `claude mcp add doe -- ${line}` },
    { client: 'VS Code', file: '.vscode/mcp.json', text: json({ servers: { doe: { type: 'stdio', command, args } } }) },
    {
      client: 'Codex',
      file: '~/.codex/config.toml',
      text: `[mcp_servers.doe]\ncommand = ${JSON.stringify(command)}\nargs = ${JSON.stringify(args)}`,
    },
    { client: 'Zed', file: 'settings.json', text: json({ context_servers: { doe: { command, args, env: {} } } }) },
    { client: 'MCP Inspector', file: null, text: `npx @modelcontextprotocol/inspector ${line}` },
  ];
}
