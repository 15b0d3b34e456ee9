// Runs one script of a task, the script itself or its fix_script, under the same rules, and reports what it came to.

import type { Script } from '../directives/index.js';
import { DispatcherError } from '../errors.js';
import type { RunRow } from '../queue/store.js';
import type { Redact } from '../redact.js';
import type { RunReport } from '../tasks/outcome.js';
import type { Task } from '../tasks/task.js';
import type { PinnedTask } from '../tools/pinning.js';
import { scriptEnvironment } from './environment.js';
import { createLogBatch, createStreamSink, parseProgress } from './output.js';
import { createScratch, readResult, type Scratch } from './result-file.js';
import { runScript, type ScriptExit, type StopReason } from './run-script.js';
import type { RunContext } from './run-task.js';

export interface AttemptContext extends RunContext {
  check: PinnedTask;
  task: Task;
  run: RunRow;
  token: string;
  runKey: string;
  redact: Redact;
}

export async function attemptScript(attempt: AttemptContext, script: Script): Promise<RunReport> {
  const scratch = await createScratch();
  try {
    return await runIn(scratch, attempt, script);
  } finally {
    await scratch.remove();
  }
}

async function runIn(scratch: Scratch, attempt: AttemptContext, script: Script): Promise<RunReport> {
  const { dispatcher, task, run, redact, check } = attempt;
  const { store, clock, log } = dispatcher;
  const batch = createLogBatch({ logs: store.logs, taskId: task.id, runId: run.id, now: clock.now, log });
  batch.add('system', `Attempt ${task.attempts} of ${task.policy.maxAttempts}: ${script.name}`);
  const progress = coalesced((percent: number, text: string | null) => store.logs.progress(run.id, percent, text), log);
  const stdout = createStreamSink('stdout', {
    redact,
    emit: batch.add,
    swallow: (line) => {
      const seen = parseProgress(line);
      if (seen !== null) progress(seen.percent, seen.text);
      return seen !== null;
    },
  });
  const stderr = createStreamSink('stderr', { redact, emit: batch.add, swallow: () => false });
  const exit = await start(attempt, script, scratch, { onStdout: stdout.write, onStderr: stderr.write });
  stdout.end();
  stderr.end();
  const errorTail = stderr.tail().trim() === '' ? stdout.tail() : stderr.tail();
  const report = await reportOf(exit, {
    scratch,
    redact,
    errorTail,
    timeoutMs: task.policy.timeoutMs,
    script: script.name,
  });
  batch.add('system', check.pinned.script === script ? endLine(report) : `fix_script ${endLine(report)}`);
  await batch.flush();
  return report;
}

async function start(
  { dispatcher, interpreters, scriptUrl, check, task, run, token, runKey, stop }: AttemptContext,
  script: Script,
  scratch: Scratch,
  sinks: { onStdout(chunk: Buffer): void; onStderr(chunk: Buffer): void },
): Promise<ScriptExit> {
  const { config, store, clock, log } = dispatcher;
  const env = scriptEnvironment({
    config,
    policy: check.policy,
    passedOn: check.pinned.directive.frontMatter.env,
    task,
    runId: run.id,
    runKey,
    scriptUrl: scriptUrl(),
    scratch: scratch.folder,
    resultFile: scratch.resultFile,
  });
  try {
    if (check.pinned.directive.frontMatter.sandbox !== null)
      throw new DispatcherError('interpreter_missing', 'The directive wants a sandbox, and there is none here.');
    const { file, args } = await interpreters.commandFor(script);
    return await runScript({
      file,
      args: [...args, task.id, token, task.payloadJson],
      cwd: config.home,
      env,
      timeoutMs: Math.max(1, run.startedAt + task.policy.timeoutMs - clock.now()),
      stop,
      ...sinks,
      onSpawn: (pid, pidStart) => {
        store.tasks
          .spawned(run.id, pid, pidStart)
          .catch((error: unknown) => log.warn('run.pid_unnoted', { run_id: run.id, error }));
      },
    });
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return { exitCode: null, signal: null, stopped: null, spawnError: `${error.message} ${error.hint ?? ''}`.trim() };
  }
}

interface ReportFacts {
  scratch: Scratch;
  redact: Redact;
  errorTail: string;
  timeoutMs: number;
  script: string;
}

/** The one place where a process's end becomes an outcome. */
async function reportOf(
  exit: ScriptExit,
  { scratch, redact, errorTail, timeoutMs, script }: ReportFacts,
): Promise<RunReport> {
  const base = { exitCode: exit.exitCode, signal: exit.signal, errorTail, result: undefined };
  if (exit.spawnError !== null)
    return { ...base, outcome: 'failed', errorType: 'spawn_failed', message: redact(exit.spawnError) };
  if (exit.stopped !== null) return { ...base, ...stops(timeoutMs)[exit.stopped] };
  const read = await readResult(scratch.resultFile, redact);
  if (exit.exitCode !== 0) {
    const how = exit.exitCode === null ? `was ended by ${exit.signal}` : `ended with exit code ${exit.exitCode}`;
    const errorType = exit.exitCode === null ? 'signal' : 'exit_code';
    return {
      ...base,
      result: read.ok ? read.value : undefined,
      outcome: 'failed',
      errorType,
      message: `${script} ${how}${lastWords(errorTail)}`,
    };
  }
  if (!read.ok) return { ...base, outcome: 'failed', errorType: read.errorType, message: read.message };
  return { ...base, result: read.value, outcome: 'succeeded', errorType: null, message: null };
}

const stops = (timeoutMs: number): Record<StopReason, Pick<RunReport, 'outcome' | 'errorType' | 'message'>> => ({
  timeout: {
    outcome: 'timed_out',
    errorType: 'timeout',
    message: `It did not end within its timeout of ${timeoutMs / 1000} s and was ended.`,
  },
  cancelled: { outcome: 'cancelled', errorType: null, message: 'Cancelled while it ran; the script was ended.' },
  stopped: {
    outcome: 'interrupted',
    errorType: 'interrupted',
    message: 'Interrupted: the worker was stopped while it ran.',
  },
  lease_lost: { outcome: 'interrupted', errorType: 'interrupted', message: 'Interrupted: the worker lost its lease.' },
});

const lastWords = (errorTail: string): string => {
  const last = errorTail.trimEnd().split('\n').at(-1)?.trim() ?? '';
  return last === '' ? '.' : `: ${last.slice(0, 300)}`;
};

const endLine = ({ outcome, message }: RunReport): string => (message === null ? outcome : `${outcome}: ${message}`);

/** Sends at most one progress at a time, the newest; a script may print thousands. */
function coalesced(
  send: (percent: number, text: string | null) => Promise<void>,
  log: RunContext['dispatcher']['log'],
) {
  let next: [number, string | null] | null = null;
  let busy = false;
  const pump = async () => {
    while (next !== null) {
      const [percent, text] = next;
      next = null;
      await send(percent, text).catch((error: unknown) => log.debug('run.progress_lost', { error }));
    }
    busy = false;
  };
  return (percent: number, text: string | null) => {
    next = [percent, text];
    if (busy) return;
    busy = true;
    void pump();
  };
}
