// The command with surroundings that belong to the test alone: in this process, or, the built one, as a person starts it.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse as parseDotenv } from 'dotenv';
import { afterAll, onTestFinished, TestRunner } from 'vitest';
import { python } from './python.js';
import { runHere } from './run-here.js';

const terminal = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'terminal.py');

export const command = (): string => {
  const built = process.env.DOE_TEST_CLI;
  if (built === undefined) throw new Error('The command was not built.');
  return built;
};

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Started {
  /** Where the bridge answers. */
  address: string;
  process: ChildProcess;
  /** A call with the home's operator key: GET, or POST with a body. */
  call(path: string, body?: object): Promise<Record<string, unknown>>;
  /** Asks it to stop and answers how it ended. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

export interface Place {
  /** A folder of its own; `home` lies in it. */
  folder: string;
  home: string;
  /** The whole environment of the processes that are started here. */
  environment: Record<string, string>;
  /** Writes files by their paths relative to the home. */
  write(files: Record<string, string>): void;
  /** Runs `doe` in the home and in this process, where no person types: most of a short command's time is its process's start. */
  doe(args: string[], options?: Pick<RunOptions, 'cwd' | 'environment'>): Promise<Ended>;
  /** Runs the built command in the home, in a process of its own, with a pipe for stdin. */
  run(args: string[], options?: RunOptions): Promise<Ended>;
  /** The same, for a test that looks at it while it runs. */
  start(args: string[], options?: RunOptions): ChildProcess;
  /**
   * The same at a pseudo-terminal; `steps` are pairs of what to wait for and what to type. `redirect` is a shell's, such as
   * `> log`, in the home; `stdout` is then what the terminal still showed.
   */
  atTerminal(
    args: string[],
    steps: [string, string][],
    environment?: Record<string, string>,
    redirect?: string,
  ): Promise<Ended>;
  /** Starts `doe serve` and resolves once it is ready. */
  serve(args?: string[], environment?: Record<string, string>): Promise<Started>;
}

export interface RunOptions {
  cwd?: string;
  environment?: Record<string, string>;
  input?: string;
  /** As a user without rights, where the tests run as root, who may read everything. The place becomes that user's. */
  unprivileged?: boolean;
}

/** Runs the clean-up when the present test is over, or, in a describe, when its tests are. In a hook it would never run. */
const whenOver = (clean: () => void): void =>
  (TestRunner.getCurrentTest() === undefined ? afterAll : onTestFinished)(clean);

const nobody = 65_534;

function giveTo(folder: string, user: number): void {
  // All temporary folders lie in one that only we may enter.
  chmodSync(dirname(folder), 0o711);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const name of ['.', ...names]) chownSync(join(folder, name), user, user);
}

/** A place with a home laid out by hand; gone when the test, or the file's tests, are over. */
export function place(files: Record<string, string> = {}): Place {
  const folder = mkdtempSync(join(tmpdir(), 'doe-cli-'));
  const home = join(folder, 'home');
  const write = (given: Record<string, string>, root = home) => {
    for (const [path, text] of Object.entries(given)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  };
  mkdirSync(home);
  write(files);
  const environment = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_STATE_HOME: join(folder, 'state'),
    TMPDIR: folder,
    NO_COLOR: '1',
    PORT: '0',
  };
  const running = new Set<ChildProcess>();
  const start = (file: string, args: string[], options: RunOptions = {}) => {
    const asNobody = options.unprivileged === true && process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
    if ('uid' in asNobody) giveTo(folder, nobody);
    const child = spawn(file, args, {
      ...asNobody,
      cwd: options.cwd ?? home,
      env: { ...environment, ...options.environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.stdin.on('error', () => {});
    return child;
  };
  whenOver(() => {
    for (const child of running) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    home,
    environment,
    write,
    doe: (args, options = {}) =>
      runHere(args, { cwd: options.cwd ?? home, environment: { ...environment, ...options.environment } }),
    run(args, options = {}) {
      const child = start(process.execPath, [command(), ...args], options);
      child.stdin.end(options.input ?? '');
      return ended(child);
    },
    start: (args, options) => start(process.execPath, [command(), ...args], options),
    atTerminal(args, steps, more = {}, redirect = '') {
      const given = [process.execPath, command(), ...args];
      const run = redirect === '' ? given : ['sh', '-c', `"$0" "$@" ${redirect}`, ...given];
      return ended(start(python(), [terminal, JSON.stringify(steps), ...run], { environment: more }));
    },
    async serve(args = [], more = {}) {
      const child = start(process.execPath, [command(), 'serve', '--home', home, ...args], { environment: more });
      const end = ended(child);
      const { address } = await event(child, 'serve.ready', end);
      return {
        address: String(address),
        process: child,
        call: (path, body) => call(home, `${address}${path}`, body),
        stop(signal = 'SIGTERM') {
          child.kill(signal);
          return end;
        },
      };
    },
  };
}

async function call(home: string, url: string, body?: object): Promise<Record<string, unknown>> {
  const { MCP_API_KEY = '' } = parseDotenv(readFileSync(join(home, '.env')));
  const answer = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'x-api-key': MCP_API_KEY, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return (await answer.json()) as Record<string, unknown>;
}

/** How a process ended, with all that it printed. */
export function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

/** The first line of the log with this event. */
export function event(
  child: ChildProcess,
  name: string,
  end: Promise<Ended> = ended(child),
): Promise<Record<string, unknown>> {
  let rest = '';
  return new Promise((resolve, reject) => {
    child.stderr?.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines.filter((one) => one.startsWith('{'))) {
        const entry = JSON.parse(line) as Record<string, unknown>;
        if (entry.event === name) resolve(entry);
      }
    });
    end.then(({ code, stderr }) => reject(new Error(`It ended with ${code} before ${name}: ${stderr}`)));
  });
}

/** The secrets of a home that is not laid out by the command. */
export const ownSecrets: Record<string, string> = {
  '.env': `MCP_SECRET=${'own-secret-of-this-home-'.repeat(2)}\nMCP_API_KEY=${'own-key-of-this-home-'.repeat(2)}\n`,
};

/** A home of few files, so that each test reads at a glance. */
export const smallHome: Record<string, string> = {
  'directives/hello.md': '---\ntitle: Say hello\n---\n# Say hello\n\nSays hello.\n',
  'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\necho \'{"said":"hello"}\' > "$DOE_RESULT_FILE"\n',
};
