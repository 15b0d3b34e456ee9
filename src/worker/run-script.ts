// The only place that starts a process for a task: no shell, a fixed environment, a process group of its own, always ended.
import { execa } from 'execa';
import { processStart, signalGroup } from './process-group.js';

export const killAfterMs = 5000;

/** Why a run is ended from outside. */
export type StopReason = 'timeout' | 'cancelled' | 'stopped' | 'lease_lost';

export interface ScriptCall {
  file: string;
  args: string[];
  cwd: string;
  env: Record<string, string>;
  timeoutMs: number;
  /** Aborted with a StopReason as its reason. */
  stop: AbortSignal;
  onStdout(chunk: Buffer): void;
  onStderr(chunk: Buffer): void;
  onSpawn(pid: number, pidStart: string | null): void;
}

export interface ScriptExit {
  exitCode: number | null;
  signal: string | null;
  /** Null where the script ended by itself. */
  stopped: StopReason | null;
  /** What the system said where the process could not be started. */
  spawnError: string | null;
}

/** Runs a script to its end and its process group's. Never throws for what the script does. */
export async function runScript({
  file,
  args,
  cwd,
  env,
  timeoutMs,
  stop,
  onStdout,
  onStderr,
  onSpawn,
}: ScriptCall): Promise<ScriptExit> {
  const child = execa(file, args, {
    cwd,
    env,
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
  let stopped: StopReason | null = null;
  const timers: NodeJS.Timeout[] = [];
  const end = (reason: StopReason) => {
    if (stopped !== null || child.pid === undefined) return;
    stopped = reason;
    const { pid } = child;
    signalGroup(pid, 'SIGTERM');
    timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), killAfterMs));
  };
  const onAbort = () => end(stop.reason as StopReason);
  child.stdout.on('data', onStdout);
  child.stderr.on('data', onStderr);
  if (child.pid !== undefined) {
    const { pid } = child;
    onSpawn(pid, processStart(pid));
    timers.push(setTimeout(() => end('timeout'), timeoutMs));
    if (stop.aborted) onAbort();
    stop.addEventListener('abort', onAbort, { once: true });
    // What the script leaves behind must not outlive it, nor hold its output open.
    child.once('exit', () => {
      if (signalGroup(pid, 'SIGTERM')) timers.push(setTimeout(() => signalGroup(pid, 'SIGKILL'), killAfterMs));
    });
  }
  const result = await child;
  stop.removeEventListener('abort', onAbort);
  for (const timer of timers) clearTimeout(timer);
  if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  return {
    exitCode: result.exitCode ?? null,
    signal: result.signal ?? null,
    stopped,
    spawnError: child.pid === undefined ? (result.shortMessage ?? 'The process could not be started.') : null,
  };
}

/** Asks a program one question and answers its first line; null where it cannot be asked. */
export async function ask(file: string, args: string[], env: Record<string, string>): Promise<string | null> {
  const { stdout, failed } = await execa(file, args, {
    env,
    extendEnv: false,
    reject: false,
    timeout: 20_000,
    stdin: 'ignore',
  });
  const [first] = (stdout ?? '').split('\n');
  return failed || first === undefined || first === '' ? null : first;
}
