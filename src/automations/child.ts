// Starts the process in which one automation of the home runs: a fixed environment without the server's secrets,
// a process group of its own, ended whole when it has answered, or at the time limit.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { depthOf, maxDepth } from '../directives/json.js';
import { DispatcherError, type ErrorCode, publicError } from '../errors.js';
import type { Redactor } from '../redact.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { newRunId } from '../tasks/task.js';
import { endProcesses, signalGroup } from '../worker/process-group.js';
import { type FromChild, openChannel } from './channel.js';

const entry = fileURLToPath(new URL('./assets/child.mjs', import.meta.url));
const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;
const largestAnswer = 1024 * 1024;
const keptOutput = 16 * 1024;
/** More is read than is kept: redacted before it is cut, since a cut through a secret would leave a part that nobody knows for one. */
const readOutput = 4 * keptOutput;

/** How long the output may stay open after the process has ended: somebody else holds it then. */
const drainMs = 1000;

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
  redact: Redactor;
  /** What the module printed, redacted, once it is over. */
  onOutput(text: string): void;
}

/**
 * Runs a job to its answer, and ends the process and all that it started.
 * @throws DispatcherError `automation_failed` for whatever the module does wrong; the signal's reason where it aborts
 */
export async function runInChild(job: Job, options: ChildOptions): Promise<JsonValue> {
  options.signal.throwIfAborted();
  const runId = newRunId();
  const child = spawn(process.execPath, [entry], {
    cwd: job.home,
    env: environment(options.variables, runId),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const output = keepOutput(options.redact, child.stdout, child.stderr);
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    return answerIn(job.name, await answerOf(child, job, options, output));
  } finally {
    if (child.pid !== undefined) await endWhole(child, { pid: child.pid, runId, exited });
    if (output.text() !== '') options.onOutput(output.text());
  }
}

/** The run's id is the mark by which whatever leaves the process group is found. */
const environment = (variables: ChildOptions['variables'], runId: string): Record<string, string> => ({
  ...Object.fromEntries(inherited.flatMap((name) => (variables[name] === undefined ? [] : [[name, variables[name]]]))),
  DOE_RUN_ID: runId,
});

/** The JSON text of the answer. */
function answerOf(
  child: ChildProcess,
  job: Job,
  { signal, integration }: ChildOptions,
  output: { text(): string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (what: string) => reject(failed(job.name, what, output.text()));
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    child.once('error', (error) => refuse(`could not be started: ${error.message}`));
    child.once('exit', async (code, killedBy) => {
      // Its last words may still be on their way.
      await closedWithin(drainMs, child);
      refuse(`ended (${killedBy ?? `exit code ${code}`}) before it answered`);
    });
    const stream = child.stdio?.[3];
    // There is none where the process could not be started.
    if (!(stream instanceof Duplex)) return;
    const channel = openChannel(stream, {
      onFault: refuse,
      onMessage(message) {
        if (message.kind === 'integration') void relay(message);
        else if (message.kind === 'failed') reject(refusal(job.name, message));
        else resolve(message.json);
      },
    });
    const relay = async (call: Extract<FromChild, { kind: 'integration' }>) =>
      channel.send(
        await integration(call).then(
          (result) => ({ id: call.id, ok: true, result }),
          (error: unknown) => ({ id: call.id, ok: false, error: { ...publicError(error) } as JsonObject }),
        ),
      );
    channel.send({ kind: 'job', ...job });
  });
}

/** @throws DispatcherError `automation_failed` */
function answerIn(name: string, json: string): JsonValue {
  if (json.length > largestAnswer) throw failed(name, 'answered more than 1 MiB');
  if (depthOf(json) > maxDepth) throw failed(name, `answered JSON that is nested more than ${maxDepth} levels deep`);
  try {
    return JSON.parse(json) as JsonValue;
  } catch {
    throw failed(name, 'answered what is no JSON');
  }
}

/** Ends the group, then what left it. Somebody who hides from both may hold the output open; nobody waits for that. */
async function endWhole(
  child: ChildProcess,
  { pid, runId, exited }: { pid: number; runId: string; exited: Promise<void> },
): Promise<void> {
  signalGroup(pid, 'SIGKILL');
  await exited;
  await endProcesses({ pid: null, runId }, 0);
  await closedWithin(drainMs, child);
  for (const stream of child.stdio) stream?.destroy();
}

/** Resolves when nobody holds the output of an ended process open any more, or after `ms`. */
async function closedWithin(ms: number, child: ChildProcess): Promise<void> {
  const open = child.stdio.filter((stream) => stream !== null && stream !== undefined && !stream.closed);
  const closed = Promise.all(open.map((stream) => once(stream as Duplex, 'close').catch(() => {})));
  const given = new AbortController();
  await Promise.race([closed, wait(ms, undefined, { ref: false, signal: given.signal }).catch(() => {})]);
  given.abort();
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
function keepOutput(redact: Redactor, ...streams: (NodeJS.ReadableStream | null)[]): { text(): string } {
  let text = '';
  for (const stream of streams) {
    stream?.setEncoding('utf8');
    stream?.on('data', (chunk: string) => {
      if (text.length < readOutput) text += chunk.slice(0, readOutput - text.length);
    });
  }
  return { text: () => (text.length < readOutput ? redact : redact.ofCut)(text).slice(0, keptOutput) };
}
