// A script in a sandbox (bubblewrap): the whole disk read-only but for named folders of the home, keys and database hidden,
// no network but the dispatcher. Fails closed: where there is no bubblewrap, the script does not run.
import { existsSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sandbox } from '../directives/index.js';
import { ordinaryPlace } from '../directives/ordinary-place.js';
import { DispatcherError } from '../errors.js';
import type { Scratch } from './result-file.js';
import { ask } from './run-script.js';

export interface SandboxCall {
  sandbox: Sandbox;
  home: string;
  scratch: Scratch;
  /** Where the dispatcher answers scripts. */
  scriptUrl: string;
  command: { file: string; args: string[] };
  env: Record<string, string>;
}

export interface Sandboxed {
  file: string;
  args: string[];
  env: Record<string, string>;
  close(): Promise<void>;
}

const entry = fileURLToPath(new URL('./assets/sandbox-entry.mjs', import.meta.url));
const own = [
  '--unshare-pid',
  '--unshare-ipc',
  '--die-with-parent',
  '--ro-bind',
  '/',
  '/',
  '--dev',
  '/dev',
  '--proc',
  '/proc',
];

/** What starts a script, shown again where it is installed below a folder that is emptied. */
const programs = [entry, process.execPath]
  .filter((path) => /^\/(tmp|run)\//.test(path))
  .flatMap((path) => ['--ro-bind', path, path]);

/** What no sandboxed script sees of the home. */
const hidden = ['.env', 'db.sqlite', 'db.sqlite-wal', 'db.sqlite-shm'];

/**
 * The command that runs `command` inside a sandbox. `close` it after the run.
 * @throws DispatcherError `interpreter_missing` where bubblewrap is missing or may not run; `invalid_input` for a folder that leads out
 */
export async function intoSandbox(call: SandboxCall): Promise<Sandboxed> {
  const { sandbox, home, scratch, command } = call;
  const env = { ...call.env, TMPDIR: '/tmp' };
  await assertBubblewrap(env, home);
  const root = await realpath(home);
  const folders = await Promise.all(sandbox.write.map((name) => writableFolder(root, name)));
  const masks = hidden.map((name) => join(root, name)).filter((file) => existsSync(file));
  const inside = sandbox.network ? command : forwarded(call);
  const args = [
    ...own,
    ...(sandbox.network ? [] : ['--unshare-net', '--tmpfs', '/run']),
    ...['--tmpfs', '/tmp', ...programs, '--ro-bind', root, root],
    ...folders.flatMap((folder) => ['--bind', folder, folder]),
    ...masks.flatMap((file) => ['--ro-bind', '/dev/null', file]),
    ...['--bind', scratch.folder, scratch.folder, '--chdir', root, '--', inside.file, ...inside.args],
  ];
  const close = sandbox.network ? async () => {} : await openSocket(call);
  return { file: 'bwrap', args, env, close };
}

const socketOf = ({ folder }: Scratch): string => join(folder, 'doe.sock');

const forwarded = ({ scratch, scriptUrl, command }: SandboxCall): { file: string; args: string[] } => ({
  file: process.execPath,
  args: [entry, socketOf(scratch), new URL(scriptUrl).port, command.file, ...command.args],
});

/** The way out of a sandbox without network: to the dispatcher's own port for scripts and nowhere else. */
async function openSocket({ scratch, scriptUrl }: SandboxCall): Promise<() => Promise<void>> {
  const { hostname, port } = new URL(scriptUrl);
  const server = createServer((inside) => {
    const outside = connect(Number(port), hostname);
    const end = () => {
      inside.destroy();
      outside.destroy();
    };
    inside.on('error', end).on('close', end).pipe(outside);
    outside.on('error', end).on('close', end).pipe(inside);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketOf(scratch), resolve));
  return () => new Promise((resolve) => void server.close(() => resolve()));
}

/** Looked at again once it is made: whatever came there meanwhile is no folder of ours. */
async function writableFolder(root: string, name: string): Promise<string> {
  const place = await ordinaryPlace(root, name);
  if (place.exists) return place.path;
  await mkdir(place.path, { recursive: true });
  return writableFolder(root, name);
}

async function assertBubblewrap(env: Record<string, string>, cwd: string): Promise<void> {
  const answer = await ask('bwrap', [...own, 'echo', 'ok'], { env, cwd });
  if (answer === 'ok') return;
  throw new DispatcherError(
    'interpreter_missing',
    'The directive wants a sandbox, and bubblewrap (bwrap) is missing or may not run here.',
    {
      hint: 'Install bubblewrap on Linux and allow user namespaces, or take `sandbox` out of the directive.',
    },
  );
}
