// Which program runs a script. A version manager's shim costs 150 ms a start, so each is asked once what it stands for;
// links are never followed, since a venv's `python` is one.
import { access, constants } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DispatcherError } from '../errors.js';
import { once } from '../once.js';
import { ask } from './run-script.js';

export interface Interpreters {
  /** The command for a script: program and arguments before the script's own. @throws DispatcherError `interpreter_missing` */
  commandFor(script: { name: string; path: string; text: string }): Promise<{ file: string; args: string[] }>;
}

const path = (variables: Readonly<Record<string, string>>) => ({
  PATH: variables.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: variables.HOME ?? '/',
});

/** Python holds back what it prints into a pipe until it ends; logs and progress are for now. */
const flags: Record<string, string[]> = { '.py': ['-u'] };

/** Linux reads no more of it either. */
const longestShebang = 256;

export function createInterpreters(home: string, variables: Readonly<Record<string, string>>): Interpreters {
  // A python3 that is missing now may be installed before the next run.
  const python = once(() => askPython(home, variables));
  const known: Record<string, () => Promise<string>> = {
    '.py': async () => {
      // The venv may come or go while we live; the answer for the system's python does not change.
      const venv = join(home, '.venv', 'bin', 'python');
      if (await isExecutable(venv)) return venv;
      return python();
    },
    '.mjs': async () => process.execPath,
    '.js': async () => process.execPath,
    '.sh': async () => 'bash',
  };
  return {
    async commandFor({ name, path: file, text }) {
      const interpreter = known[extname(name)];
      if (interpreter !== undefined)
        return { file: await interpreter(), args: [...(flags[extname(name)] ?? []), file] };
      const shebang = /^#!\s*(\S+)(?:\s+(.+?))?\s*$/.exec(text.slice(0, longestShebang).split('\n', 1)[0] ?? '');
      if (shebang?.[1] === undefined) {
        throw new DispatcherError('interpreter_missing', `Nothing is known that runs ${name}.`, {
          hint: 'Name it .py, .mjs, .js or .sh, or give it a #! line.',
        });
      }
      return { file: shebang[1], args: [...(shebang[2] === undefined ? [] : shebang[2].split(/\s+/)), file] };
    },
  };
}

async function askPython(home: string, variables: Readonly<Record<string, string>>): Promise<string> {
  const question = ['-I', '-c', 'import sys; print(sys.executable)'];
  const answer = await ask('python3', question, { env: path(variables), cwd: home });
  if (answer !== null) return answer;
  throw new DispatcherError('interpreter_missing', 'python3 was not found on the PATH, or does not start.', {
    hint: 'Install Python 3, or make a venv in the home: python3 -m venv .venv',
  });
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
