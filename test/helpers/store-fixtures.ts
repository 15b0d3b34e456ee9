// Tasks, acks and runs for tests of the store itself: as small as the port allows, and a way into every state.
import { computeBinding, sha256Hex } from '../../src/acks/binding.js';
import type { Claim, NewAck, NewTask, RunRow, Settlement, Store } from '../../src/queue/store.js';
import type { FailureFacts, Verdict } from '../../src/tasks/retry.js';
import type { TaskStatus } from '../../src/tasks/states.js';
import { type Ack, type By, newAckId, newAnnealId, newTaskId, type Pins, type Task } from '../../src/tasks/task.js';

export const jo: By = { actorId: 'jo', principal: 'operator', channel: 'terminal', keyId: 'key-jo' };
export const model: By = { actorId: 'model', principal: 'agent', channel: 'stdio', keyId: null };
export const worker = { processId: 'proc_one', leaseMs: 30_000 };
export const otherWorker = { processId: 'proc_two', leaseMs: 30_000 };

/** Pins that hold for one `subject`: another subject is another directive, payload and script. */
export function pinsOf(subject: string): Pins {
  const hashes = {
    directiveSha256: sha256Hex(`directive ${subject}`),
    payloadSha256: sha256Hex(`payload ${subject}`),
    filesSha256: null,
    scriptSha256: sha256Hex(`script ${subject}`),
  };
  return { directiveId: `directive-${subject}`, directiveVersion: 1, ...hashes, binding: computeBinding(hashes) };
}

export const policy: NewTask['policy'] = {
  requireAck: true,
  maxAttempts: 3,
  backoffMs: 1000,
  onInterrupt: false,
  autoAnneal: true,
  hasFixScript: false,
  timeoutMs: 60_000,
  concurrency: 0,
};

type TaskOverrides = Partial<Omit<NewTask, 'policy'>> & { policy?: Partial<NewTask['policy']> };

export const newTask = ({ policy: changed, ...rest }: TaskOverrides = {}): NewTask => ({
  id: newTaskId('report'),
  taskType: 'report',
  projectId: 'project',
  status: 'awaiting_ack',
  statusReason: null,
  priority: 0,
  runAfter: null,
  traceparent: null,
  pins: pinsOf('one'),
  payloadJson: '{"name":"one"}',
  secretPaths: [],
  ...rest,
  policy: { ...policy, ...changed },
});

/** A task that wants no acknowledgement: it is queued at once. */
export const trustedTask = ({ policy: changed, ...rest }: TaskOverrides = {}): NewTask =>
  newTask({ status: 'queued', ...rest, policy: { requireAck: false, ...changed } });

export const ackOf = (
  task: Pick<Task, 'id' | 'pins'>,
  now: number,
  overrides: Partial<Omit<Ack, 'firstStartedAt' | 'revokedAt' | 'spentAt'>> = {},
): NewAck => ({
  id: newAckId(),
  taskId: task.id,
  pins: task.pins,
  actorId: jo.actorId,
  principal: jo.principal,
  channel: jo.channel,
  keyId: jo.keyId,
  assurance: 'operator',
  answers: ['yes'],
  issuedAt: now,
  notBefore: now,
  expiresAt: now + 15 * 60_000,
  ...overrides,
});

export const failure: FailureFacts = {
  errorType: 'exit_code',
  classification: 'script',
  fingerprint: 'fp-1',
  message: 'The script ended with exit code 1.',
  errorTail: 'boom',
};

export const verdicts = {
  succeeded: { move: 'succeeded', reason: null, runAfter: null },
  retry_scheduled: { move: 'retry_scheduled', reason: 'again', runAfter: 0 },
  failed: { move: 'failed', reason: 'gave up', runAfter: null },
  anneal_opened: { move: 'anneal_opened', reason: 'gave up', runAfter: null },
  cancelled: { move: 'cancelled', reason: 'stopped', runAfter: null },
} as const satisfies Record<Verdict['move'], Verdict>;

const outcomeOf = { succeeded: 'succeeded', cancelled: 'cancelled' } as const;

/** A settlement as a worker makes it for this verdict. */
export function settlementOf(
  run: Pick<RunRow, 'id' | 'taskId' | 'processId'>,
  move: Verdict['move'],
  overrides: Partial<Settlement> = {},
): Settlement {
  const outcome = move in outcomeOf ? outcomeOf[move as keyof typeof outcomeOf] : 'failed';
  return {
    runId: run.id,
    processId: run.processId,
    verdict: verdicts[move],
    outcome,
    exitCode: outcome === 'failed' ? 1 : 0,
    signal: null,
    result: outcome === 'succeeded' ? { made: 1 } : undefined,
    failure: outcome === 'failed' ? failure : null,
    aid: move === 'anneal_opened' ? newAnnealId(run.taskId, Date.now()) : null,
    fixUsed: false,
    scriptChangedTo: null,
    ...overrides,
  };
}

export const must = <T>(value: T | null | undefined): T => {
  if (value === null || value === undefined)
    throw new Error('The store answered nothing where the test needs something.');
  return value;
};

/** Created and acknowledged by jo. */
export async function queuedTask(store: Store, overrides: TaskOverrides = {}): Promise<Task> {
  const { task } = await store.tasks.create(newTask(overrides), model);
  return must(await store.tasks.acknowledge(ackOf(task, await store.now()), jo));
}

export interface Running {
  claim: Claim;
  task: Task;
  ack: Ack;
  run: RunRow;
}

/** Claims the next task and begins its run. */
export async function startNext(store: Store, by = worker): Promise<Running> {
  const claim = must(await store.tasks.claim(by));
  const own = claim.ack === null ? ackOf(claim.task, await store.now(), { assurance: 'agent' }) : null;
  const begun = must(await store.tasks.begin(claim.runId, { processId: by.processId, host: 'here', ack: own }));
  return { claim, ...begun };
}

/** A task that came into this state as tasks do; the queue must be empty. */
export async function taskIn(store: Store, status: TaskStatus): Promise<Task> {
  if (status === 'awaiting_ack') return (await store.tasks.create(newTask(), model)).task;
  if (status === 'cancelled') {
    const { task } = await store.tasks.create(newTask(), model);
    return must(await store.tasks.cancel(task.id, jo, 'not wanted'));
  }
  const queued = await queuedTask(store);
  if (status === 'queued') return queued;
  const { task, run } = await startNext(store);
  if (status === 'running') return task;
  const moves = { succeeded: 'succeeded', failed: 'failed', needs_anneal: 'anneal_opened' } as const;
  return must(await store.tasks.settle(settlementOf(run, moves[status])));
}
