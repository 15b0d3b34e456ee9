// Processes as the system knows them: groups, start times, and what they were started as.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { pidExists } from '../living.js';

/** Signals a whole process group; false where none is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // macOS answers EPERM for a group of which only zombies are left.
    if (code === 'ESRCH' || code === 'EPERM') return false;
    throw error;
  }
}

/** Signals one process, if it is still there. */
function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The fields of proc(5) stat from the third on: state, parent, group, …; null where the process is gone. */
function statOf(pid: number): string[] | null {
  const stat = readProc(`/proc/${pid}/stat`);
  // The command's name may hold spaces and brackets; the fields after it do not.
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** The kernel's start time of a process (proc(5), field 22), so that a reused pid is not taken for it; null where it cannot be known. */
export const processStart = (pid: number): string | null => statOf(pid)?.[19] ?? null;

/** Whether the process of this pid, and where it is known of this start time, still runs: a zombie does not. */
export function processRuns(pid: number, start: string | null): boolean {
  const stat = statOf(pid);
  if (stat !== null) return stat[0] !== 'Z' && stat[0] !== 'X' && (start === null || stat[19] === start);
  return start === null && pidExists(pid);
}

/** Whether a group has members that still run: a zombie that nobody reaps does not. */
function groupRuns(pid: number): boolean {
  if (!signalGroup(pid, 0)) return false;
  const pids = pidsOfSystem();
  if (pids.length === 0) return true;
  return pids.map(statOf).some((stat) => stat?.[2] === String(pid) && stat[0] !== 'Z' && stat[0] !== 'X');
}

/** Processes whose environment carries this run's id: found even where the run died before its pid was noted. Linux only. */
export function processesOfRun(runId: string, pids = pidsOfSystem()): number[] {
  const mark = `DOE_RUN_ID=${runId}`;
  return pids.filter((pid) => pid !== process.pid && readProc(`/proc/${pid}/environ`)?.split('\0').includes(mark));
}

/** By then all pids may have been given away once; a look at every process costs nothing beside so long a run. */
const longRunMs = 10_000;

/**
 * Whether a run whose first process was `pid` left a process behind that is not in its group. Asked after every run: of a short one
 * only younger processes are looked at, since with 300 on the machine a look at all of them takes 9 ms, and one at these under 1.
 */
export function leftSomeoneBehind({ pid, runId }: { pid: number; runId: string }, ranMs: number): boolean {
  const newest = Number(readProc('/proc/loadavg')?.trim().split(' ').at(-1));
  // Pids go upwards until they begin anew at the bottom.
  const wentOn = ranMs < longRunMs && newest >= pid;
  const pids = pidsOfSystem();
  return processesOfRun(runId, wentOn ? pids.filter((one) => one > pid) : pids).length > 0;
}

export interface RunProcesses {
  /** The group's leader; null where it is not known. */
  pid: number | null;
  runId: string;
}

const lookEveryMs = 20;

/**
 * Ends what is left of a run: SIGTERM, after `graceMs` SIGKILL, to its group and to whatever carries its id.
 * Resolves when none of it runs any more, or when the kernel does not let go of it for five more seconds.
 */
export async function endProcesses({ pid, runId }: RunProcesses, graceMs: number): Promise<void> {
  const signalAll = (signal: NodeJS.Signals) => {
    if (pid !== null) signalGroup(pid, signal);
    for (const one of processesOfRun(runId)) signalOne(one, signal);
  };
  const runs = () => (pid !== null && groupRuns(pid)) || processesOfRun(runId).length > 0;
  if (graceMs > 0) {
    signalAll('SIGTERM');
    if (await endedWithin(graceMs, runs)) return;
  }
  signalAll('SIGKILL');
  await endedWithin(5000, runs);
}

async function endedWithin(ms: number, runs: () => boolean): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (runs()) {
    if (performance.now() >= deadline) return false;
    await wait(lookEveryMs);
  }
  return true;
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process is gone, or another user's: either way not one that we started and may end.
    return null;
  }
}

function pidsOfSystem(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}
