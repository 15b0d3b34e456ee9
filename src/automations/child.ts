// Starts the process in which one automation of the home runs: a fixed environment without the server's secrets,
// a process group of its own, ended whole when it has answered, or at the time limit.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DispatcherError, type ErrorCode, publicError } from '../errors.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { signalGroup } from '../worker/process-group.js';

const entry = fileURLToPath(new URL('./assets/child.mjs', import.meta.url));
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;
const largestAnswer = 1024 * 1024;
const keptOutput = 16 * 1024;

export interface Job {
  task: 'describe' | 'run' | 'plan';
  name: string;
  text: string;
  params: JsonObject;
  home: string;
}

export interface ChildOptions {
  variables: Readonly<Record<string, string>>;
  /** Aborted at the time limit, when the caller goes away, or when the server stops. */
  signal: AbortSignal;
  integration(call: { id: number; name: string; action: string; input: JsonObject }): Promise<JsonValue>;
  /** What the module printed, once it is over. */
  onOutput(text: string): void;
}

type FromChild =
  | { kind: 'described' | 'done'; json: string }
  | { kind: 'failed'; message: string; code: string | null }
  | { kind: 'integration'; id: number; name: string; action: string; input: JsonObject };

/**
 * Runs a job to its answer, and ends the process and all that it started.
 * @throws DispatcherError `automation_failed` for whatever the module does wrong; the signal's reason where it aborts
 */
export async function runInChild(
  job: Job,
  { variables, signal, integration, onOutput }: ChildOptions,
): Promise<JsonValue> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [entry], {
    cwd: job.home,
    env: Object.fromEntries(
      inherited.flatMap((name) => (variables[name] === undefined ? [] : [[name, variables[name]]])),
    ),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    windowsHide: true,
  });
  const output = keepOutput(child.stdout, child.stderr);
  const end = () => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  try {
    return await new Promise<JsonValue>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      child.once('error', (error) => reject(failed(job.name, `could not be started: ${error.message}`)));
      child.once('close', (code, killedBy) =>
        reject(failed(job.name, `ended (${killedBy ?? `exit code ${code}`}) before it answered`, output.text())),
      );
      child.on('message', (message: FromChild) => {
        if (message.kind === 'integration') void relay(message);
        else settle(message, resolve, reject);
      });
      const relay = async (call: Extract<FromChild, { kind: 'integration' }>) => {
        const answer = await integration(call).then(
          (result) => ({ id: call.id, ok: true, result }),
          (error: unknown) => ({ id: call.id, ok: false, error: publicError(error) }),
        );
        if (child.connected) child.send(answer, () => {});
      };
      const settle = (
        message: Exclude<FromChild, { kind: 'integration' }>,
        done: typeof resolve,
        refuse: typeof reject,
      ) => {
        if (message.kind === 'failed') refuse(refusal(job.name, message));
        else if (message.json.length > largestAnswer) refuse(failed(job.name, 'answered more than 1 MiB'));
        else done(JSON.parse(message.json) as JsonValue);
      };
      child.send({ kind: 'job', ...job }, () => {});
    });
  } finally {
    end();
    if (child.pid !== undefined) await closed;
    if (output.text() !== '') onOutput(output.text());
  }
}

const failed = (name: string, what: string, output = ''): DispatcherError =>
  new DispatcherError('automation_failed', `The automation ${name} ${what}.`, {
    hint: 'Look at its module, and try it with a dry run.',
    ...(output === '' ? {} : { details: { output } }),
  });

function refusal(name: string, { message, code }: { message: string; code: string | null }): DispatcherError {
  const known: ErrorCode = code === 'invalid_input' ? 'invalid_input' : 'automation_failed';
  return new DispatcherError(known, `The automation ${name} failed: ${message.replace(/\.$/, '')}.`);
}

/** Reads both streams to their end, so that a module that prints much never waits, and keeps the first part. */
function keepOutput(...streams: (NodeJS.ReadableStream | null)[]): { text(): string } {
  let text = '';
  for (const stream of streams) {
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      if (text.length < keptOutput) text += chunk.slice(0, keptOutput - text.length);
    });
  }
  return { text: () => text };
}
