// Processes as the system knows them: groups, start times, and what they were started as.
import { readdirSync, readFileSync } from 'node:fs';

/** Signals a whole process group; false where none is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    // macOS answers EPERM for a group of which only zombies are left.
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return false;
    throw error;
  }
}

/** The kernel's start time of a process (proc(5), field 22), so that a reused pid is not taken for it; null where it cannot be known. */
export function processStart(pid: number): string | null {
  const stat = readProc(`/proc/${pid}/stat`);
  // The command's name may hold spaces and brackets; the fields after it do not.
  return stat === null ? null : (stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null);
}

/** Processes whose environment carries this run's id: found even where the run died before its pid was noted. Linux only. */
export function processesOfRun(runId: string): number[] {
  const pids = listProc()
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
  return pids.filter(
    (pid) => pid !== process.pid && readProc(`/proc/${pid}/environ`)?.split('\0').includes(`DOE_RUN_ID=${runId}`),
  );
}

function readProc(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process is gone, or another user's: either way not one that we started and may end.
    return null;
  }
}

function listProc(): string[] {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}
