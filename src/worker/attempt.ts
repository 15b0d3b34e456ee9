// Runs one script of a task, the script itself or its fix_script, under the same rules, and reports what it came to.

import { secretValues } from '../config.js';
import type { Script } from '../directives/index.js';
import { DispatcherError } from '../errors.js';
import type { LogStore, RunRow } from '../queue/store.js';
import { addressSecrets, createRedactor, type Redactor } from '../redact.js';
import type { RunReport } from '../tasks/outcome.js';
import { type Ack, secretPayloadValues, type Task } from '../tasks/task.js';
import type { PinnedTask } from '../tools/pinning.js';
import { plainSettings, scriptEnvironment } from './environment.js';
import { createLogBatch, createStreamSink, parseProgress } from './output.js';
import { reportOf } from './report.js';
import { createScratch, type Scratch } from './result-file.js';
import { runScript, type ScriptExit } from './run-script.js';
import type { RunContext } from './run-task.js';
import { intoSandbox } from './sandbox.js';
import { whenWritable } from './when-writable.js';

export interface AttemptContext extends RunContext {
  check: PinnedTask;
  task: Task;
  ack: Ack;
  run: RunRow;
}

/** What one script is handed, and the redactor that knows it. */
interface Handed {
  token: string;
  runKey: string;
  redact: Redactor;
}

/** Never throws for what the script does, nor for a disk that has no room for its scratch folder. */
export async function attemptScript(attempt: AttemptContext, script: Script): Promise<RunReport> {
  const handed = await handOut(attempt);
  let scratch: Scratch;
  try {
    scratch = await createScratch(attempt.run.id);
  } catch (error) {
    return {
      ...{ outcome: 'failed', errorType: 'spawn_failed', exitCode: null, signal: null, result: undefined },
      message: `No scratch folder could be made for it: ${(error as Error).message}`,
      errorTail: '',
    };
  }
  try {
    return await runIn(scratch, { ...attempt, ...handed }, script);
  } finally {
    await scratch.remove();
  }
}

/** Token and run key hold until this script's own timeout: a fix_script begins where the script's time may be over. */
async function handOut({
  dispatcher: { acks, store, config },
  check,
  task,
  ack,
  run,
}: AttemptContext): Promise<Handed> {
  const deadline = (await store.now()) + task.policy.timeoutMs;
  const token = await acks.runToken(ack, run.id, deadline);
  const integrations = check.policy.integrations;
  const runKey = await acks.runKey({ taskId: task.id, runId: run.id, integrations }, deadline);
  const redact = createRedactor([
    ...secretValues(config),
    token,
    runKey,
    ...secretPayloadValues(task),
    ...check.policy.secrets.map((name) => config.variables[name] ?? ''),
    // A proxy's address may carry a password.
    ...check.pinned.directive.frontMatter.env.flatMap((name) => addressSecrets(config.variables[name] ?? '')),
  ]);
  return { token, runKey, redact };
}

type Attempt = AttemptContext & Handed;

async function runIn(scratch: Scratch, attempt: Attempt, script: Script): Promise<RunReport> {
  const { dispatcher, task, run, redact, check } = attempt;
  const { store, clock, log } = dispatcher;
  const isFix = check.pinned.script !== script;
  const append: LogStore['append'] = (lines) => whenWritable(attempt, () => store.logs.append(lines));
  const batch = createLogBatch({ append, taskId: task.id, runId: run.id, now: clock.now, log });
  batch.add('system', `${isFix ? 'fix_script' : whichAttempt(task)}: ${script.name}`);
  for (const name of plainSettings(dispatcher.config, check.pinned.directive.frontMatter.env).withheld)
    batch.add('system', `${name} is not passed on: it holds the address of a database, which is no plain setting.`);
  const progress = coalesced((percent: number, text: string | null) => store.logs.progress(run.id, percent, text), log);
  const stdout = createStreamSink('stdout', {
    redact,
    emit: batch.add,
    swallow: (line, hide) => {
      const seen = parseProgress(line, hide);
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
  batch.add('system', isFix ? `fix_script ${endLine(report)}` : endLine(report));
  await batch.flush();
  return report;
}

const whichAttempt = ({ attempts, policy: { maxAttempts } }: Task): string =>
  attempts > maxAttempts ? `Attempt ${attempts}, after the fix_script` : `Attempt ${attempts} of ${maxAttempts}`;

async function start(
  { dispatcher, interpreters, bytecode, scriptUrl, check, task, run, token, runKey, stop }: Attempt,
  script: Script,
  scratch: Scratch,
  sinks: { onStdout(chunk: Buffer): void; onStderr(chunk: Buffer): void },
): Promise<ScriptExit> {
  const { config, store, log } = dispatcher;
  const { frontMatter } = check.pinned.directive;
  try {
    const env = scriptEnvironment({
      config,
      policy: check.policy,
      passedOn: plainSettings(config, frontMatter.env).passedOn,
      task,
      runId: run.id,
      runKey,
      scriptUrl: scriptUrl(),
      bytecode: await bytecode.folderFor(check.pinned.pins.scriptSha256),
      resultFile: scratch.resultFile,
    });
    const { file, args } = await interpreters.commandFor(script);
    const command = { file, args: [...args, task.id, token, task.payloadJson] };
    const open = { env, close: async () => {}, ...command };
    const { sandbox } = frontMatter;
    const program =
      sandbox === null
        ? open
        : await intoSandbox({ sandbox, home: config.home, scratch, scriptUrl: scriptUrl(), command, env });
    const onSpawn = (pid: number, pidStart: string | null) =>
      store.tasks.spawned(run.id, pid, pidStart).catch((error: unknown) => {
        log.warn('run.pid_unnoted', { run_id: run.id, error });
        return true;
      });
    try {
      return await runScript({
        file: program.file,
        args: program.args,
        cwd: config.home,
        env: program.env,
        timeoutMs: task.policy.timeoutMs,
        stop,
        ...sinks,
        onSpawn,
      });
    } finally {
      await program.close();
    }
  } catch (error) {
    return { exitCode: null, signal: null, stopped: null, spawnError: whyNotStarted(error) };
  }
}

/** What keeps a script from starting, as a sentence: a refusal of ours, or what the system said. */
function whyNotStarted(error: unknown): string {
  if (error instanceof DispatcherError) return `${error.message} ${error.hint ?? ''}`.trim();
  if (error instanceof Error && 'syscall' in error) return error.message;
  throw error;
}

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
