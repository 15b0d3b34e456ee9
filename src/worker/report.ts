// What a process's end means: the one place where it becomes an outcome.
import type { Redact } from '../redact.js';
import type { RunReport } from '../tasks/outcome.js';
import { readResult, type Scratch } from './result-file.js';
import type { ScriptExit, StopReason } from './run-script.js';

interface ReportFacts {
  scratch: Scratch;
  redact: Redact;
  errorTail: string;
  timeoutMs: number;
  script: string;
}

/** A stop from outside counts before the exit code, and a result that cannot be taken before a success. */
export async function reportOf(
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
