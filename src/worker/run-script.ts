// The only place that starts a process for a task: no shell, a fixed environment, a process group of its own, always ended.
import { setTimeout as wait } from 'node:timers/promises';
import { endProcesses, leftSomeoneBehind, processStart, signalGroup } from './process-group.js';

export const killAfterMs = 5000;

/** How long the output may stay open after the script has ended: somebody else holds it then. */
const drainMs = 1000;

/** Why a run is ended from outside. */
export type StopReason = 'timeout' | 'cancelled' | 'stopped' | 'lease_lost';

export interface ScriptCall {
  file: string;
  args: string[];
  cwd: string;
  /** Must carry DOE_RUN_ID: what leaves the group is known by it. */
  env: Record<string, string>;
  timeoutMs: number;
  /** Aborted with a StopReason as its reason. */
  stop: AbortSignal;
  onStdout(chunk: Buffer): void;
  onStderr(chunk: Buffer): void;
  /** Answers false where the run turns out not to be ours any more: the script is ended at once. */
  onSpawn(pid: number, pidStart: string | null): Promise<boolean>;
}

export interface ScriptExit {
  exitCode: number | null;
  signal: string | null;
  /** Null where the script ended by itself. */
  stopped: StopReason | null;
  /** What the system said where the process could not be started. */
  spawnError: string | null;
}

/** With the first script: many a process never runs one. */
const loadExeca = () => import('execa');

/** Runs a script to its end and its process group's. Never throws for what the script does. */
export async function runScript(call: ScriptCall): Promise<ScriptExit> {
  const { execa } = await loadExeca();
  if (call.stop.aborted)
    return { exitCode: null, signal: null, stopped: call.stop.reason as StopReason, spawnError: null };
  const child = execa(call.file, call.args, {
    cwd: call.cwd,
    env: call.env,
    extendEnv: false,
    detached: true,
    cleanup: false,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    windowsHide: true,
  });
  const begunAt = performance.now();
  const { pid } = child;
  if (pid === undefined) {
    const { originalMessage } = await child;
    return { exitCode: null, signal: null, stopped: null, spawnError: originalMessage ?? 'It could not be started.' };
  }
  child.stdout.on('data', call.onStdout);
  child.stderr.on('data', call.onStderr);
  const exited = new Promise<Pick<ScriptExit, 'exitCode' | 'signal'>>((resolve) =>
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal })),
  );
  const release = endWithThisProcess(pid);
  const held = call.onSpawn(pid, processStart(pid));
  const stopped = await endInTime(call, { pid, held, exited });
  const exit = await exited;
  release();
  await endLeftovers({ pid, runId: call.env.DOE_RUN_ID ?? '', ranMs: performance.now() - begunAt }, stopped, child);
  return { ...exit, stopped, spawnError: null };
}

const groups = new Set<number>();
const killGroups = () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
};

/** A process that is told to end at once takes its scripts along; one that is killed cannot, and leaves them to the rescue. */
function endWithThisProcess(pid: number): () => void {
  if (groups.size === 0) process.on('exit', killGroups);
  groups.add(pid);
  return () => {
    groups.delete(pid);
    if (groups.size === 0) process.removeListener('exit', killGroups);
  };
}

/** Resolves when the script has ended, with why it was made to; null where it ended by itself. */
async function endInTime(
  { timeoutMs, stop }: ScriptCall,
  { pid, held, exited }: { pid: number; held: Promise<boolean>; exited: Promise<unknown> },
): Promise<StopReason | null> {
  const timers: NodeJS.Timeout[] = [];
  let stopped: StopReason | null = null;
  let over = false;
  const end = (reason: StopReason) => {
    // Its pid may be another's by now.
    if (over) return;
    // Another worker may hold the task already: nothing of ours may go on beside it.
    if (reason === 'lease_lost') signalGroup(pid, 'SIGKILL');
    if (stopped !== null) return;
    stopped = reason;
    signalGroup(pid, 'SIGTERM');
    timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), killAfterMs));
  };
  const onAbort = () => end(stop.reason as StopReason);
  timers.push(setTimeout(() => end('timeout'), timeoutMs));
  stop.addEventListener('abort', onAbort, { once: true });
  if (stop.aborted) onAbort();
  void held.then((ours) => ours || end('lease_lost'));
  await exited;
  stop.removeEventListener('abort', onAbort);
  for (const timer of timers) clearTimeout(timer);
  over = true;
  return stopped;
}

interface Piped extends PromiseLike<unknown> {
  stdout: NodeJS.ReadableStream & { destroy(): void };
  stderr: NodeJS.ReadableStream & { destroy(): void };
}

/**
 * What a script leaves behind must neither outlive it nor hold its output open: its group, and on Linux whatever carries the run's id
 * in its environment. A process that was started with neither is not known for the script's own.
 */
async function endLeftovers(
  processes: { pid: number; runId: string; ranMs: number },
  stopped: StopReason | null,
  child: Piped,
): Promise<void> {
  const closed = Promise.resolve(child).then(() => true);
  const grace = stopped === 'lease_lost' ? 0 : killAfterMs;
  const { pid, ranMs } = processes;
  if (stopped !== null || signalGroup(pid, 0) || leftSomeoneBehind(processes, ranMs))
    await endProcesses(processes, grace);
  if (await Promise.race([closed, wait(drainMs, false)])) return;
  await endProcesses(processes, grace);
  child.stdout.destroy();
  child.stderr.destroy();
  await closed;
}

/** Asks a program one question and answers its first line; null where it cannot be asked. */
export async function ask(
  file: string,
  args: string[],
  { env, cwd }: { env: Record<string, string>; cwd: string },
): Promise<string | null> {
  const { execa } = await loadExeca();
  const { stdout, failed } = await execa(file, args, {
    env,
    cwd,
    extendEnv: false,
    reject: false,
    timeout: 20_000,
    stdin: 'ignore',
  });
  const [first] = (stdout ?? '').split('\n');
  return failed || first === undefined || first === '' ? null : first;
}
