// Whether a token, or a task's present ack, holds at this moment. Rows and files are asked every time.
import { z } from 'zod';
import type { TokenClaims } from '../acks/index.js';
import { rotatedAtFact } from '../acks/rotation.js';
import { isoTime } from '../clock.js';
import { DispatcherError, type TokenErrorCode } from '../errors.js';
import { type AckFault, ackEnd, ackFault, coveredUntil } from '../tasks/ack.js';
import { taskStatuses } from '../tasks/states.js';
import { type Ack, assurances, type Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { defineOperation } from './operation.js';
import { checkPins } from './pinning.js';
import { byOf, requireTask } from './views.js';

const input = z.object({
  ack_token: z.string().optional().describe('An ack or run token'),
  // Compared with the token's own: what is no id is another one.
  task_id: z.string().optional().describe('The task to check, or to compare the token with'),
  run_id: z.string().optional().describe('The run to compare a run token with'),
});

const output = z.object({
  task_id: z.string(),
  actor_id: z.string(),
  directive_version: z.number(),
  directive_sha256: z.string(),
  payload_sha256: z.string(),
  script_sha256: z.string(),
  assurance: z.enum(assurances),
  expires_at: z.string(),
  task_status: z.enum(taskStatuses),
  run_id: z.string().optional(),
});

export const validateAck = defineOperation({
  name: 'validate_ack',
  title: 'Validate an acknowledgement',
  description:
    "Says whether a task's acknowledgement holds right now, and if not, why. Use it with task_id when a task went back to awaiting_ack; scripts use it with their token.",
  input,
  output,
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: true,
  async run(dispatcher, fields, call) {
    const claims =
      fields.ack_token === undefined
        ? null
        : await dispatcher.acks.read(fields.ack_token, await dispatcher.store.now());
    const ack =
      claims === null
        ? await presentAck(dispatcher, requireTaskId(fields.task_id))
        : await ackBehind(dispatcher, claims);
    await assertRunNotOver(dispatcher, claims);
    const task = await requireTask(dispatcher, ack.taskId);
    if (fields.task_id !== undefined && fields.task_id !== ack.taskId) {
      throw refused('token_task_mismatch', 'The token belongs to another task.', 'Use the token of this task.');
    }
    assertRun(task, claims, fields.run_id);
    const check = await checkPins(dispatcher, { ...task, pins: ack.pins });
    if (!check.ok)
      throw refused(check.code, check.message, 'The task needs a fresh acknowledgement of what is there now.');
    const runId = claims?.runId ?? null;
    if (runId !== null) await noteFirstUse(dispatcher, task.id, runId, byOf(call, ack.actorId));
    return {
      task_id: ack.taskId,
      actor_id: ack.actorId,
      directive_version: ack.pins.directiveVersion,
      directive_sha256: ack.pins.directiveSha256,
      payload_sha256: ack.pins.payloadSha256,
      script_sha256: ack.pins.scriptSha256,
      assurance: ack.assurance,
      expires_at: isoTime(claims?.expiresAt ?? coveredUntil(ack)),
      task_status: task.status,
      ...(runId === null ? {} : { run_id: runId }),
    };
  },
});

const refused = (code: TokenErrorCode, message: string, hint: string): DispatcherError =>
  new DispatcherError(code, message, { hint });

function requireTaskId(taskId: string | undefined): string {
  if (taskId !== undefined) return taskId;
  throw refused('token_missing', 'No token and no task was given.', 'Give task_id, or ack_token.');
}

async function presentAck(dispatcher: Dispatcher, taskId: string): Promise<Ack> {
  const task = await requireTask(dispatcher, taskId);
  const ack = task.ackId === null ? null : await dispatcher.store.people.ack(task.ackId);
  if (ack === null)
    throw refused(
      'token_unknown',
      `Task ${taskId} has no acknowledgement.`,
      `Call acknowledge with task_id ${taskId}.`,
    );
  // A run under way needs its ack no longer than it takes; the next start does.
  refuseFor(task.status === 'running' ? ackEnd(ack) : ackFault(ack, await dispatcher.store.now()));
  return ack;
}

async function ackBehind({ store }: Dispatcher, claims: TokenClaims): Promise<Ack> {
  const ack = await store.people.ack(claims.ackId);
  if (ack === null || ack.pins.binding !== claims.binding || ack.taskId !== claims.taskId) {
    throw refused(
      'token_unknown',
      'There is no acknowledgement behind this token.',
      'Get a fresh acknowledgement for the task.',
    );
  }
  if (claims.signedBy === 'previous' && ack.issuedAt > Number((await store.ledger.fact(rotatedAtFact)) ?? 0)) {
    throw refused(
      'token_signature',
      'The token was signed with a secret that was rotated away before its acknowledgement.',
      'Get a fresh acknowledgement.',
    );
  }
  // The token has a time of its own: a run's may be longer than what the ack covers.
  refuseFor(ackEnd(ack));
  return ack;
}

const anew = 'Get a fresh acknowledgement for the task.';
const faults: Record<AckFault, Parameters<typeof refused>> = {
  expired: ['token_expired', 'The acknowledgement is outside of its time.', anew],
  cover_over: ['token_expired', 'The acknowledgement covers retries for an hour after the first start.', anew],
  revoked: ['token_revoked', 'The acknowledgement was revoked: the task was pinned anew or stopped.', anew],
  spent: [
    'token_spent',
    'The acknowledgement is spent: its task has settled.',
    'A new run needs a new acknowledgement.',
  ],
};

function refuseFor(fault: AckFault | null): void {
  if (fault !== null) throw refused(...faults[fault]);
}

/** A run's token is spent with its run, whatever becomes of the task. */
async function assertRunNotOver({ store }: Dispatcher, claims: TokenClaims | null): Promise<void> {
  const run = claims?.runId == null ? null : await store.tasks.run(claims.runId);
  if (run?.finishedAt == null) return;
  throw refused(
    'token_spent',
    'The run that this token was made for is over.',
    'A new attempt gets a token of its own.',
  );
}

/** A run token holds only while its run holds the task. */
function assertRun(task: Task, claims: TokenClaims | null, wanted: string | undefined): void {
  const runId = claims?.runId ?? null;
  if (wanted !== undefined && wanted !== runId) {
    throw refused(
      'token_run_mismatch',
      'The token does not belong to this run.',
      'Use the token that this run was handed.',
    );
  }
  if (runId === null || (task.runId === runId && task.status === 'running')) return;
  throw refused(
    'token_run_mismatch',
    'The run that this token was made for no longer holds the task.',
    'A new attempt gets a token of its own.',
  );
}

const firstUses = new WeakMap<Dispatcher, Map<string, Promise<void>>>();
const rememberedRuns = 10_000;

/** The first good validation of a run stands in the audit trail; the ones after it would only repeat it. */
async function noteFirstUse(
  dispatcher: Dispatcher,
  taskId: string,
  runId: string,
  by: ReturnType<typeof byOf>,
): Promise<void> {
  const seen = firstUses.get(dispatcher) ?? new Map<string, Promise<void>>();
  const known = seen.get(runId);
  if (known !== undefined) return known;
  if (seen.size >= rememberedRuns) seen.clear();
  const event = { taskId, type: 'validated', assurance: null, data: { run_id: runId } };
  const written = dispatcher.store.ledger.record(event, by).catch((error: unknown) => {
    seen.delete(runId);
    throw error;
  });
  firstUses.set(dispatcher, seen.set(runId, written));
  await written;
}
