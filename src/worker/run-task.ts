// One claimed task from verification to settled, as a pipeline. Fails closed: what cannot be verified does not start.
import { hostname } from 'node:os';
import { describeFailure } from '../anneal/classify.js';
import { DispatcherError } from '../errors.js';
import type { Claim, NewAck, RunRow } from '../queue/store.js';
import type { RunReport } from '../tasks/outcome.js';
import { judge } from '../tasks/retry.js';
import { type Ack, bySystem, newAckId, newAnnealId, type Task } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { type PinnedTask, wouldPin } from '../tools/pinning.js';
import { type AttemptContext, attemptScript } from './attempt.js';
import type { Bytecode } from './bytecode.js';
import type { Interpreters } from './interpreters.js';
import type { StopReason } from './run-script.js';
import { type Verified, verifyStart } from './verify.js';
import { type Patience, whenWritable } from './when-writable.js';

export interface RunContext extends Patience {
  dispatcher: Dispatcher;
  interpreters: Interpreters;
  bytecode: Bytecode;
  scriptUrl: () => string;
  random: () => number;
  /** Aborted with a StopReason to end the run from outside. */
  stop: AbortSignal;
}

/** Resolves when the task is out of this worker's hands. Throws only for faults of the store. */
export async function runTask(context: RunContext, { runId, processId, task, ack }: Claim): Promise<void> {
  const { dispatcher } = context;
  const verified = await verifyStart(dispatcher, task, ack);
  if (!verified.ok) {
    await voidAck(dispatcher, task, { runId, ...verified });
    return;
  }
  const { check } = verified;
  const begun = await dispatcher.store.tasks.begin(runId, {
    processId,
    host: hostname(),
    ack: task.policy.requireAck ? null : await ownAck(dispatcher, task, check),
  });
  if (begun === null) {
    // Cancelled, its ack ended or the home paused between the look and the move; whoever holds it now says so. Ours is only to let go.
    await dispatcher.store.tasks.release(runId);
    return;
  }
  dispatcher.log.info('task.started', {
    task_id: task.id,
    run_id: runId,
    attempt: begun.task.attempts,
    of: begun.task.policy.maxAttempts,
  });
  await runAndSettle(context, check, begun);
}

async function voidAck(
  { store, log }: Dispatcher,
  task: Task,
  { runId, reason, work }: { runId: string; reason: string; work: PinnedTask['work'] | null },
) {
  log.warn('task.ack_void', { task_id: task.id, reason });
  await store.tasks.repin({ taskId: task.id, move: 'ack_void', to: 'awaiting_ack', work, reason, runId }, bySystem);
}

/** The ack of a task that wants none: its token is made at claim, of the weakest assurance. */
async function ownAck({ store }: Dispatcher, task: Task, { pinned }: PinnedTask): Promise<NewAck> {
  const now = await store.now();
  return {
    id: newAckId(),
    taskId: task.id,
    pins: task.pins,
    actorId: task.actorId,
    principal: task.principal,
    channel: task.channel,
    keyId: null,
    assurance: 'agent',
    answers: [],
    issuedAt: now,
    notBefore: now,
    expiresAt: Math.floor((now + pinned.directive.frontMatter.ackTtlMs) / 1000) * 1000,
  };
}

async function runAndSettle(
  context: RunContext,
  check: PinnedTask,
  { task, ack, run }: { task: Task; ack: Ack; run: RunRow },
): Promise<void> {
  const { dispatcher, stop } = context;
  const attempt: AttemptContext = { ...context, check, task, ack, run };
  const ended = await attemptScript(attempt, check.pinned.script);
  const fix = wantsFix(task, ended, check) && !stop.aborted ? await runFixScript(attempt) : null;
  const report = fix?.fixed === null ? { ...ended, message: `${endOf(ended)} ${fix.refused}` } : ended;
  if (stop.reason === ('lease_lost' satisfies StopReason)) {
    dispatcher.log.warn('run.lease_lost', { task_id: task.id, run_id: run.id, outcome: report.outcome });
    return;
  }
  await settle(context, { check, task, run, report, fixed: fix?.fixed ?? null });
}

const wantsFix = (task: Task, { outcome }: RunReport, { pinned }: PinnedTask): boolean =>
  pinned.fixScript !== null &&
  !task.fixUsed &&
  task.attempts >= task.policy.maxAttempts &&
  (outcome === 'failed' || outcome === 'timed_out');

const endOf = ({ outcome, message }: RunReport): string => (message ?? outcome).replace(/\.?$/, '.');

/** Whether another attempt is worth it; null where the fix_script was not run, with why. */
type Fix = { fixed: boolean } | { fixed: null; refused: string };

/** Runs the directive's fix_script once, verified as any start: it may have changed, or its ack ended, while the script ran. */
async function runFixScript(attempt: AttemptContext): Promise<Fix> {
  const verified = await verifyFix(attempt);
  if (!verified.ok) {
    const refused = `The fix_script was not run: ${verified.reason}`;
    await noteRefusedFix(attempt, refused);
    return { fixed: null, refused };
  }
  const { check } = verified;
  if (check.pinned.fixScript === null) return { fixed: false };
  const report = await attemptScript({ ...attempt, check }, check.pinned.fixScript);
  return { fixed: report.outcome === 'succeeded' };
}

/** What cannot be looked at does not hold; the run that has ended is settled all the same. */
async function verifyFix({ dispatcher, task, ack }: AttemptContext): Promise<Verified> {
  try {
    return await verifyStart(dispatcher, task, await dispatcher.store.people.ack(ack.id), wouldPin);
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return { ok: false, reason: error.message, work: null };
  }
}

async function noteRefusedFix(attempt: AttemptContext, reason: string): Promise<void> {
  const { dispatcher, task, run } = attempt;
  dispatcher.log.warn('run.fix_refused', { task_id: task.id, run_id: run.id, reason });
  await noteInLog(dispatcher, run, reason);
  const data = { run_id: run.id, reason };
  const event = { taskId: task.id, type: 'fix_refused', assurance: null, data };
  await whenWritable(attempt, () => dispatcher.store.ledger.record(event, bySystem));
}

interface SettleFacts {
  check: PinnedTask;
  task: Task;
  run: RunRow;
  report: RunReport;
  /** What the fix_script came to; null where it did not run. */
  fixed: boolean | null;
}

async function settle(context: RunContext, { check, task, run, report, fixed }: SettleFacts): Promise<void> {
  const { dispatcher, random } = context;
  const { store, clock, log, annealer } = dispatcher;
  // By the time that says when it is due: the wall clock may have been set back.
  const now = await store.now();
  // It may have been asked to stop while its script ended by itself.
  const present = (await store.tasks.get(task.id)) ?? task;
  const verdict = judge({ task: present, report, fixed: fixed === true, now, random: random() });
  const failure =
    verdict.move === 'succeeded' || verdict.move === 'cancelled'
      ? null
      : describeFailure({
          errorType: report.errorType ?? 'unknown',
          message: report.message ?? report.outcome,
          errorTail: report.errorTail,
        });
  const aid = verdict.move === 'anneal_opened' ? newAnnealId(task.id, clock.now()) : null;
  const scriptChangedTo = await scriptChange(dispatcher, check);
  if (scriptChangedTo !== null)
    await noteInLog(dispatcher, run, 'The script, or a file that it can load, was changed while it ran.');
  const settlement = {
    runId: run.id,
    processId: run.processId,
    verdict,
    outcome: verdict.move === 'cancelled' ? ('cancelled' as const) : report.outcome,
    exitCode: report.exitCode,
    signal: report.signal,
    result: report.result,
    failure,
    aid,
    fixUsed: fixed !== null,
    scriptChangedTo,
  };
  const settled = await whenWritable(context, () => store.tasks.settle(settlement));
  if (settled === null) {
    log.warn('run.lease_lost', { task_id: task.id, run_id: run.id, outcome: report.outcome });
    return;
  }
  log.info(`task.${settled.status}`, {
    task_id: task.id,
    run_id: run.id,
    outcome: settled.outcome ?? report.outcome,
    reason: settled.statusReason ?? undefined,
  });
  if (settled.status === 'needs_anneal' && settled.aid !== null) {
    const opened = settled.aid;
    await annealer.open(opened).catch((error: unknown) => log.warn('anneal.bundle_delayed', { aid: opened, error }));
  }
}

const noteInLog = ({ store, clock, log }: Dispatcher, { id, taskId }: RunRow, text: string): Promise<void> =>
  store.logs
    .append([{ taskId, runId: id, stream: 'system', text, at: clock.now() }])
    .catch((error: unknown) => log.warn('run.log_lost', { task_id: taskId, run_id: id, error }));

/** The script digest once more: a change during the run is audited and shown. */
async function scriptChange({ directives }: Dispatcher, { pinned }: PinnedTask): Promise<string | null> {
  try {
    const { sha256 } = await directives.scriptDigest(pinned.directive);
    return sha256 === pinned.pins.scriptSha256 ? null : sha256;
  } catch (error) {
    if (error instanceof DispatcherError) return error.code;
    throw error;
  }
}
