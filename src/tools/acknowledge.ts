// The decision that a task may run, or may not. Whose word counts for how much is settled here and in no door.
import { z } from 'zod';
import { isoTime } from '../clock.js';
import type { EffectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import type { NewAck } from '../queue/store.js';
import type { JsonValue } from '../tasks/outcome.js';
import { taskStatuses } from '../tasks/states.js';
import {
  type Ack,
  type Assurance,
  actorIdSchema,
  assurances,
  newAckId,
  satisfies,
  type Task,
  taskIdSchema,
} from '../tasks/task.js';
import { consentingNow, orNoteRefusal } from './ack-rounds.js';
import { parseAnswers } from './answers.js';
import type { Dispatcher } from './dispatcher.js';
import { nextCall } from './next-call.js';
import { type CallContext, defineOperation } from './operation.js';
import { checkPins, type PinnedTask } from './pinning.js';
import { byOf, isOperator, requireTask, wrongState } from './views.js';

const input = z.object({
  task_id: taskIdSchema,
  actor_id: actorIdSchema.describe('Your name, for the record; it gives no right'),
  binding: z.string().optional().describe('The binding that was shown; refused where it is no longer the present one'),
  answers_json: z
    .union([z.string(), z.array(z.json())])
    .optional()
    .describe("Answers to the directive's questions, a list in their order"),
  decision: z.enum(['approve', 'reject']).optional().describe('Default approve'),
  reason: z.string().max(2000).optional().describe('Why it is refused; goes to whoever made the task'),
});

const output = z.object({
  ack_id: z.string().nullable(),
  task_id: z.string(),
  status: z.enum(taskStatuses),
  assurance: z.enum(assurances).nullable(),
  expires_at: z.string().nullable(),
  approve_url: z.string(),
  next: z.string(),
});

export const acknowledge = defineOperation({
  name: 'acknowledge',
  title: 'Acknowledge a task',
  description:
    'Asks for the acknowledgement without which a task never runs. Use it after you read the directive that create_task answered. A person decides; where the answer is awaiting_ack, tell them approve_url and wait with task_status.',
  input,
  output,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  tool: true,
  async run(dispatcher, fields, call) {
    const task = await requireTask(dispatcher, fields.task_id);
    if (fields.decision === 'reject') return reject(dispatcher, task, fields, call);
    if (task.status !== 'awaiting_ack') throw wrongState(task, 'an acknowledgement', ['awaiting_ack']);
    const current = await assertAsShown(dispatcher, task, fields.binding, call);
    const decide = () => assuranceOf(call, current.policy);
    const assurance = asksPerson(call)
      ? decide()
      : await orNoteRefusal(dispatcher, { task, call, actorId: fields.actor_id }, decide);
    const answers = parseAnswers(
      fields.answers_json as string | JsonValue[] | undefined,
      current.pinned.directive.frontMatter.questions,
    );
    const missing = await consentsMissing(dispatcher, task, current.policy, { answers, call });
    if (missing > 0) return stillAwaiting(dispatcher, task, missing);
    const ack = newAck(task, current, {
      assurance,
      answers,
      now: await dispatcher.store.now(),
      actorId: fields.actor_id,
      call,
    });
    const queued = await dispatcher.store.tasks.acknowledge(ack, byOf(call, fields.actor_id));
    if (queued === null)
      throw wrongState(await requireTask(dispatcher, task.id), 'an acknowledgement', ['awaiting_ack, unchanged']);
    return {
      ack_id: ack.id,
      task_id: task.id,
      status: queued.status,
      assurance,
      expires_at: isoTime(ack.expiresAt),
      approve_url: await dispatcher.approveUrl(task.id),
      next: nextCall(queued),
    };
  },
});

/**
 * Keeps the consent of a passkey's owner, and answers how many further owners must agree to this very binding.
 * @throws DispatcherError `not_allowed` where the owner is none of the approvers
 */
async function consentsMissing(
  { store }: Dispatcher,
  task: Task,
  { approvers, quorum }: EffectivePolicy,
  { answers, call }: Pick<AckFacts, 'answers' | 'call'>,
): Promise<number> {
  if (call.evidence?.kind !== 'passkey') return 0;
  const { kind: _kind, ...touch } = call.evidence;
  const counts = (owner: string) => approvers.length === 0 || approvers.includes(owner);
  if (!counts(touch.owner))
    throw new DispatcherError('not_allowed', `${touch.owner} is none of the approvers of this directive.`, {
      hint: `These are: ${approvers.join(', ')}.`,
    });
  await store.people.consent(
    { ...touch, taskId: task.id, binding: task.pins.binding, answers },
    byOf(call, touch.owner),
  );
  const owners = await consentingNow(store, task);
  return Math.max(0, quorum - [...owners].filter(counts).length);
}

const stillAwaiting = async (dispatcher: Dispatcher, task: Task, missing: number) => ({
  ack_id: null,
  task_id: task.id,
  status: task.status,
  assurance: null,
  expires_at: null,
  approve_url: await dispatcher.approveUrl(task.id),
  next: `This consent is kept; ${missing === 1 ? 'one more owner of a passkey' : `${missing} more owners of passkeys`} must agree on the page.`,
});

async function reject(dispatcher: Dispatcher, task: Task, fields: z.output<typeof input>, call: CallContext) {
  await orNoteRefusal(dispatcher, { task, call, actorId: fields.actor_id }, () => {
    if (!isOperator(call) && call.evidence === undefined) throw notEnough('To refuse a task', 'operator');
  });
  // Whoever says what they refuse must mean what is there; a task whose files merely moved on may always be refused.
  if (task.status === 'awaiting_ack' && (fields.binding ?? task.pins.binding) !== task.pins.binding)
    await assertAsShown(dispatcher, task, fields.binding, call);
  const cancelled = await dispatcher.store.tasks.reject(
    task.id,
    byOf(call, fields.actor_id),
    dispatcher.redact(fields.reason ?? `Refused by ${fields.actor_id}.`),
  );
  if (cancelled === null) throw wrongState(await requireTask(dispatcher, task.id), 'a refusal', ['awaiting_ack']);
  return {
    ack_id: null,
    task_id: task.id,
    status: cancelled.status,
    assurance: null,
    expires_at: null,
    approve_url: await dispatcher.approveUrl(task.id),
    next: 'The task was refused and will not run. Do not try again unless the person asks for it.',
  };
}

/**
 * What was shown is what is acknowledged: anything else pins the task anew.
 * @throws DispatcherError `changed_since_shown`
 */
async function assertAsShown(
  dispatcher: Dispatcher,
  task: Task,
  shown: string | undefined,
  call: CallContext,
): Promise<PinnedTask> {
  const check = await checkPins(dispatcher, task);
  if (check.ok && (shown === undefined || shown === task.pins.binding)) return check;
  if (!check.ok) {
    const repin = {
      taskId: task.id,
      move: 'pinned_anew',
      to: 'awaiting_ack',
      work: check.work,
      reason: check.message,
      runId: null,
    } as const;
    await dispatcher.store.tasks.repin(repin, byOf(call));
  }
  const why = check.ok ? 'The binding given is not the present one.' : check.message;
  throw new DispatcherError('changed_since_shown', `Task ${task.id} is not what was shown any more: ${why}`, {
    hint: 'Look at the task again as it is now, then acknowledge that.',
    details: { task_id: task.id, changed: check.ok ? 'binding' : check.code },
  });
}

/** How strong this call's word is; see the table of who may do what in docs/security.md. */
function assuranceOf(call: CallContext, { ack: wanted }: EffectivePolicy): Assurance {
  const given = offered(call);
  if (satisfies(given, wanted)) return given;
  throw notEnough('This task', wanted);
}

function offered(call: CallContext): Assurance {
  if (call.evidence?.kind === 'passkey') return 'passkey';
  if (isOperator(call)) return 'operator';
  return call.evidence?.kind === 'elicited' ? 'client' : 'agent';
}

/** Through MCP the call only asks: where its own word is too weak, a person is asked next, and nothing was refused. */
const asksPerson = ({ caller }: CallContext): boolean => caller.channel === 'stdio' || caller.channel === 'mcp';

const whoMay: Record<Assurance, string> = {
  agent: 'any caller',
  client: "a person's answer in the MCP client, or an operator key",
  operator: 'an operator key, at a terminal, over HTTP or on the page',
  passkey: 'a passkey, on the page',
};

const notEnough = (what: string, wanted: Assurance): DispatcherError =>
  new DispatcherError('not_allowed', `${what} needs ${whoMay[wanted]}; this call brings less.`, {
    hint:
      wanted === 'passkey'
        ? 'Ask the person to decide on the page (approve_url).'
        : 'Ask the person to decide: on the page (approve_url) or with `doe ack <task_id>`.',
    details: { wanted },
  });

interface AckFacts {
  assurance: Assurance;
  answers: Ack['answers'];
  now: number;
  actorId: string;
  call: CallContext;
}

function newAck(task: Task, { pinned }: PinnedTask, { assurance, answers, now, actorId, call }: AckFacts): NewAck {
  const notBefore = Math.max(now, task.runAfter ?? 0);
  const wholeSecond = (epochMs: number) => Math.floor(epochMs / 1000) * 1000;
  return {
    id: newAckId(),
    taskId: task.id,
    pins: task.pins,
    actorId,
    principal: call.caller.principal,
    channel: call.caller.channel,
    keyId: call.caller.keyId,
    assurance,
    answers,
    issuedAt: now,
    notBefore,
    expiresAt: wholeSecond(notBefore + pinned.directive.frontMatter.ackTtlMs),
  };
}

/** The token of an ack that was just given. For the HTTP door alone: no operation's output holds it. */
export async function ackTokenFor({ store, acks }: Dispatcher, ackId: string): Promise<string> {
  const ack = await store.people.ack(ackId);
  if (ack === null) throw new DispatcherError('token_unknown', `There is no acknowledgement ${ackId}.`);
  return acks.ackToken(ack);
}
