// A command run in the tests' own process, with a process's surroundings: its arguments, folder, environment and two outputs.
import { runCommand } from '../../src/cli/run.js';
import type { Ended } from './doe.js';

interface Surroundings {
  cwd: string;
  /** The whole environment. */
  environment: Record<string, string>;
}

let runs = false;

/** @throws Error where another one runs: folder, environment and outputs belong to the whole process */
export async function runHere(words: string[], { cwd, environment }: Surroundings): Promise<Ended> {
  if (runs) throw new Error('Commands that run at the same time need processes of their own.');
  runs = true;
  const before = { cwd: process.cwd(), environment: { ...process.env } };
  const stdout = taking(process.stdout);
  const stderr = taking(process.stderr);
  try {
    process.chdir(cwd);
    setEnvironment(environment);
    return { code: await runCommand(words), stdout: stdout.text(), stderr: stderr.text() };
  } finally {
    setEnvironment(before.environment);
    process.chdir(before.cwd);
    stdout.giveBack();
    stderr.giveBack();
    runs = false;
  }
}

/** In place: the system's functions, `homedir` for one, look there too. */
function setEnvironment(wanted: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (!(name in wanted)) delete process.env[name];
  Object.assign(process.env, wanted);
}

function taking(stream: NodeJS.WriteStream): { text(): string; giveBack(): void } {
  const { write } = stream;
  const taken: string[] = [];
  stream.write = (chunk: string | Uint8Array) => {
    taken.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
    return true;
  };
  return {
    text: () => taken.join(''),
    giveBack() {
      stream.write = write;
    },
  };
}
