// One claimed task from verification to settled, as a pipeline. Fails closed: what cannot be verified does not start.
import { hostname } from 'node:os';
import { describeFailure } from '../anneal/classify.js';
import { DispatcherError } from '../errors.js';
import type { Claim, NewAck, RunRow } from '../queue/store.js';
import { type AckFault, ackFault } from '../tasks/ack.js';
import type { RunReport } from '../tasks/outcome.js';
import { judge } from '../tasks/retry.js';
import { type Ack, bySystem, newAckId, newAnnealId, satisfies, type Task } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { checkPins, type PinnedTask } from '../tools/pinning.js';
import { type AttemptContext, attemptScript } from './attempt.js';
import type { Bytecode } from './bytecode.js';
import type { Interpreters } from './interpreters.js';
import type { StopReason } from './run-script.js';
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
  const check = await checkPins(dispatcher, task);
  const problem = check.ok ? ackProblem(task, ack, check, await dispatcher.store.now()) : check.message;
  if (!check.ok || problem !== null) {
    await voidAck(dispatcher, task, { runId, reason: problem ?? '', work: check.work });
    return;
  }
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

/** Why the ack does not allow this start; null where it does. */
function ackProblem(task: Task, ack: Ack | null, { policy }: PinnedTask, now: number): string | null {
  if (ack === null) {
    return policy.requireAck
      ? 'The directive wants an acknowledgement, and there is none: its trust was withdrawn or it changed.'
      : null;
  }
  // A task that wants none gets a fresh one with each start.
  if (!task.policy.requireAck && !policy.requireAck) return null;
  if (ack.pins.binding !== task.pins.binding) return 'The acknowledgement covers something else than the task.';
  if (policy.requireAck && !satisfies(ack.assurance, policy.ack))
    return `The acknowledgement is of strength ${ack.assurance}; ${policy.ack} is wanted.`;
  const fault = ackFault(ack, now);
  return fault === null ? null : faultMessages[fault];
}

const faultMessages = {
  expired: 'The acknowledgement expired before the first start.',
  cover_over: 'The acknowledgement covers retries for an hour after the first start, which is over.',
  revoked: 'The acknowledgement was revoked.',
  spent: 'The acknowledgement is spent.',
} as const satisfies Record<AckFault, string>;

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
  const report = await attemptScript(attempt, check.pinned.script);
  const fixed = wantsFix(task, report, check) && !stop.aborted ? await runFixScript(attempt) : null;
  if (stop.reason === ('lease_lost' satisfies StopReason)) {
    dispatcher.log.warn('run.lease_lost', { task_id: task.id, run_id: run.id, outcome: report.outcome });
    return;
  }
  await settle(context, { check, task, run, report, fixed });
}

const wantsFix = (task: Task, { outcome }: RunReport, { pinned }: PinnedTask): boolean =>
  pinned.fixScript !== null &&
  !task.fixUsed &&
  task.attempts >= task.policy.maxAttempts &&
  (outcome === 'failed' || outcome === 'timed_out');

/** Runs the directive's fix_script once; whether another attempt is worth it. */
async function runFixScript(attempt: AttemptContext): Promise<boolean> {
  const { fixScript } = attempt.check.pinned;
  if (fixScript === null) return false;
  const report = await attemptScript(attempt, fixScript);
  return report.outcome === 'succeeded';
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
  const cancelRequestedAt = (await store.tasks.get(task.id))?.cancelRequestedAt ?? null;
  const verdict = judge({ task: { ...task, cancelRequestedAt }, report, fixed: fixed === true, now, random: random() });
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
  if (scriptChangedTo !== null) await noteScriptChange(dispatcher, task, run);
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

const noteScriptChange = ({ store, clock, log }: Dispatcher, task: Task, run: RunRow): Promise<void> =>
  store.logs
    .append([
      {
        taskId: task.id,
        runId: run.id,
        stream: 'system',
        text: 'The script, or a file that it can load, was changed while it ran.',
        at: clock.now(),
      },
    ])
    .catch((error: unknown) => log.warn('run.log_lost', { task_id: task.id, run_id: run.id, error }));

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
