// The bridge as a script sees it, played by a small real HTTP server, and scripts run as the worker runs them.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, onTestFinished } from 'vitest';
import { python } from '../helpers/python.js';
import { temporaryFolder } from '../helpers/test-app.js';

export const shipped = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'execution');
export const token = 'header.payload-of-a-run-token.signature';
export const runKey = 'header.payload-of-a-run-key.signature';

/** One for a whole test file: with an empty one, Python compiles even its own library anew. */
const bytecode = mkdtempSync(join(tmpdir(), 'doe-bytecode-'));
afterAll(() => rmSync(bytecode, { recursive: true, force: true }));

export interface Call {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: unknown;
}

type Answer = { status?: number; body: unknown };

export interface Bridge {
  url: string;
  calls: Call[];
  /** Calls of integrations alone. */
  integrationCalls(): { path: string; input: unknown }[];
}

export interface BridgeOptions {
  host?: string;
  /** Refuses every token, saying why. */
  refuse?: { code: string; error: string; hint?: string };
  integration?: (path: string, input: Record<string, unknown>) => Answer;
  /** Writes an answer in another way than node:http by itself. */
  send?: (response: ServerResponse, answer: Required<Answer>) => void;
}

const sendPlain: NonNullable<BridgeOptions['send']> = (response, { status, body }) => {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
};

export async function startBridge({
  host = '127.0.0.1',
  refuse,
  integration = () => ({ body: { ok: true, result: null } }),
  send = sendPlain,
}: BridgeOptions = {}): Promise<Bridge> {
  const calls: Call[] = [];
  const answer = ({ method, url, headers, body }: Call): Answer => {
    if (method === 'GET' && url.pathname === '/mcp/validate-ack') {
      if (refuse !== undefined) return { status: 401, body: { ok: false, ...refuse } };
      const given = headers.authorization?.replace('Bearer ', '') ?? url.searchParams.get('ack_token');
      if (given !== token) return { status: 401, body: { ok: false, code: 'token_malformed', error: 'No.' } };
      return { body: { ok: true, task_id: url.searchParams.get('task_id') ?? 'T1', task_status: 'running' } };
    }
    if (method === 'POST' && headers.authorization === `Bearer ${runKey}`)
      return integration(url.pathname, body as Record<string, unknown>);
    return { status: 401, body: { ok: false, code: 'unauthorized', error: 'No.' } };
  };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const call: Call = {
      method: request.method ?? '',
      url: new URL(request.url ?? '', 'http://bridge'),
      headers: request.headers,
      body: text === '' ? null : JSON.parse(text),
    };
    calls.push(call);
    send(response, { status: 200, ...answer(call) });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    calls,
    integrationCalls: () =>
      calls.filter(({ method }) => method === 'POST').map(({ url, body }) => ({ path: url.pathname, input: body })),
  };
}

export interface Run {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** What the script left as its result; undefined where it left none. */
  result: unknown;
  /** What stands beside the result file: nothing, where it was written well. */
  scratch: string;
}

export interface RunOptions {
  home: string;
  mcpUrl: string;
  payload?: unknown;
  env?: Record<string, string>;
  args?: string[];
  /** Python statements to run the script under, instead of running it plainly. */
  under?: string;
}

/** Runs a script by its path with the environment, folder and arguments of a real run. */
export async function runScript(script: string, options: RunOptions): Promise<Run> {
  const { home, mcpUrl, payload = {}, env = {}, under } = options;
  const scratch = temporaryFolder('doe-scratch-');
  const resultFile = join(scratch, 'result.json');
  const program = script.endsWith('.py') ? python() : process.execPath;
  const args = options.args ?? ['T1', token, JSON.stringify(payload)];
  const child = spawn(program, under === undefined ? [script, ...args] : ['-c', under, ...args], {
    cwd: home,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      MCP_URL: mcpUrl,
      DOE_HOME: home,
      DOE_TASK_ID: 'T1',
      DOE_RUN_ID: 'run_1',
      DOE_RESULT_FILE: resultFile,
      DOE_RUN_KEY: runKey,
      PYTHONPYCACHEPREFIX: bytecode,
      PYTHONNOUSERSITE: '1',
      ...env,
    },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.once('close', (...end) => resolve(end)),
  );
  const result = existsSync(resultFile) ? JSON.parse(readFileSync(resultFile, 'utf8')) : undefined;
  return { code, signal, stdout, stderr, result, scratch };
}

/** Runs Python statements to make a fixture, with `args` as `sys.argv[1:]`. */
export function makeWithPython(program: string, ...args: string[]): void {
  execFileSync(python(), ['-c', program, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
}

/** A home's folder for a test. */
export function makeHome(): string {
  const home = temporaryFolder('doe-home-');
  for (const folder of ['directives', 'execution']) mkdirSync(join(home, folder));
  return home;
}
