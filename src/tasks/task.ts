// The central record and its public face. Inside the program a Task is camelCase with epoch milliseconds;
// outside it is a TaskView in the public field names with ISO times.
import { customAlphabet } from 'nanoid';
import { z } from 'zod';
import { isoTime, isoTimeOrNull } from '../clock.js';
import type { JsonObject, JsonValue, Outcome } from './outcome.js';
import { outcomeSchema } from './outcome.js';
import { type TaskStatus, taskStatuses } from './states.js';

/** From weakest to strongest; what each means stands in docs/security.md. */
export const assurances = ['agent', 'client', 'operator', 'passkey'] as const;
export type Assurance = (typeof assurances)[number];

/** Whether an ack of strength `given` satisfies a wish for `wanted`. */
export const satisfies = (given: Assurance, wanted: Assurance): boolean =>
  assurances.indexOf(given) >= assurances.indexOf(wanted);

export const stronger = (one: Assurance, other: Assurance): Assurance => (satisfies(one, other) ? one : other);

export const principals = ['agent', 'operator'] as const;
export type Principal = (typeof principals)[number];

export const channels = ['stdio', 'mcp', 'http', 'terminal', 'page', 'worker'] as const;
export type Channel = (typeof channels)[number];

/** Who a call comes from, as a door established it. Rights rest on `principal`, `channel` and `keyId`, never on a name that the caller gave. */
export interface Caller {
  principal: Principal;
  channel: Channel;
  /** A short public id of the key that was shown; null on stdio and inside the program. */
  keyId: string | null;
  /** The name that an operator key stands for. */
  person: string | null;
}

/** A caller together with the name it gave itself. This is what stands in the audit trail. */
export interface By {
  actorId: string;
  principal: Principal;
  channel: Channel;
  keyId: string | null;
  /** Whose key it is, where the key has a name. */
  person?: string | null;
}

/** The program itself, for moves that nobody asked for. */
export const bySystem: By = { actorId: 'doe', principal: 'operator', channel: 'worker', keyId: null };

/** What an ack covers: the hashes that must still hold when the script starts. All are lower-case hex sha256. */
export interface Pins {
  directiveId: string;
  directiveVersion: number;
  directiveSha256: string;
  payloadSha256: string;
  /** Over the content of the files that the payload names; null where it names none. */
  filesSha256: string | null;
  scriptSha256: string;
  /** One hash over all of the above: what a person is shown. */
  binding: string;
}

/** The part of a directive that the queue must know without reading the disk, taken when the task is pinned. */
export interface TaskPolicy {
  requireAck: boolean;
  maxAttempts: number;
  backoffMs: number;
  onInterrupt: boolean;
  autoAnneal: boolean;
  hasFixScript: boolean;
  timeoutMs: number;
  /** At most so many runs of the task type at once; 0 = no limit. */
  concurrency: number;
}

export interface Task {
  id: string;
  taskType: string;
  projectId: string;
  actorId: string;
  principal: Principal;
  channel: Channel;
  status: TaskStatus;
  statusReason: string | null;
  pins: Pins;
  policy: TaskPolicy;
  /** The canonical (RFC 8785) form: hashed, shown, stored and passed on. */
  payloadJson: string;
  /** JSON Pointers into the payload whose values people and models must not see. */
  secretPaths: string[];
  priority: number;
  /** Not before this time; moved by retries. */
  runAfter: number | null;
  /** As the creator asked for it; part of what makes a second create the same request. */
  requestedRunAfter: number | null;
  attempts: number;
  /** Whether the directive's fix_script has had its one go in this round. */
  fixUsed: boolean;
  /** The lease's or run's id while a worker has the task. */
  runId: string | null;
  ackId: string | null;
  assurance: Assurance | null;
  progress: number | null;
  progressText: string | null;
  outcome: Outcome | null;
  result: JsonValue | undefined;
  /** The open bundle, or the last one. */
  aid: string | null;
  cancelRequestedAt: number | null;
  /** W3C Trace Context of the call that created the task. */
  traceparent: string | null;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** One acknowledgement as it is stored: everything a token is signed from, and never the token. */
export interface Ack {
  id: string;
  taskId: string;
  pins: Pins;
  actorId: string;
  principal: Principal;
  channel: Channel;
  keyId: string | null;
  assurance: Assurance;
  answers: JsonValue[];
  issuedAt: number;
  /** The token holds from here; later than `issuedAt` only for a task with a later run_after. */
  notBefore: number;
  expiresAt: number;
  /** When the first run under this ack began; retries are covered for an hour from here. */
  firstStartedAt: number | null;
  revokedAt: number | null;
  spentAt: number | null;
}

export interface LogLine {
  id: number;
  runId: string | null;
  stream: 'stdout' | 'stderr' | 'system';
  text: string;
  at: number;
}

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyz';
const random12 = customAlphabet(alphabet, 12);
const random20 = customAlphabet(alphabet, 20);

export const newTaskId = (taskType: string): string => `${taskType}-${random12()}`;
export const newAckId = (): string => `ack_${random20()}`;
export const newRunId = (): string => `run_${random20()}`;
export const newProcessId = (): string => `proc_${random12()}`;

/** `anneal_<time>_<task_id>`, with the time as YYYYMMDDTHHMMSSmmmZ so that bundles sort by age. */
export const newAnnealId = (taskId: string, at: number): string =>
  `anneal_${isoTime(at).replace(/[-:.]/g, '')}_${taskId}`;

export const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const idHelp = 'letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 128 characters';
/** Text on one line that people are shown. Of format characters only the joiners are letters' own; others hide or turn text. */
export const oneLine = () =>
  z
    .string()
    .regex(
      /^(?:[\u200c\u200d]|[^\p{Cc}\p{Cf}\u2028\u2029])*$/u,
      'must not contain control characters, or ones that hide or turn text',
    );
const shortName = () => oneLine().min(1).max(128);

export const taskIdSchema = z.string().regex(idPattern, `must be ${idHelp}`);
export const taskTypeSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, ".", "_" and "-", at most 100 characters');
export const projectIdSchema = shortName();
export const actorIdSchema = shortName();
export const errorTypeSchema = shortName();

export const logLineSchema = z.object({
  id: z.number().int(),
  run_id: z.string().nullable(),
  stream: z.enum(['stdout', 'stderr', 'system']),
  text: z.string(),
  at: z.string(),
});

export const taskViewSchema = z.object({
  task_id: z.string(),
  task_type: z.string(),
  project_id: z.string(),
  actor_id: z.string(),
  status: z.enum(taskStatuses),
  status_reason: z.string().nullable(),
  directive: z.object({ id: z.string(), version: z.number(), sha256: z.string() }),
  payload: z.record(z.string(), z.unknown()),
  attempts: z.number().int(),
  max_attempts: z.number().int(),
  priority: z.number().int(),
  run_after: z.string().nullable(),
  progress: z.number().nullable(),
  progress_text: z.string().nullable(),
  assurance: z.enum(assurances).nullable(),
  outcome: outcomeSchema.nullable(),
  result: z.unknown(),
  aid: z.string().nullable(),
  created_at: z.string(),
  updated_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
});
export type TaskView = z.infer<typeof taskViewSchema>;
export type LogLineView = z.infer<typeof logLineSchema>;

/** What stands where a value marked `x-doe-secret` would be. */
export const secretPlaceholder = '(set, not shown)';

/** The payload with every secret value replaced by a placeholder. */
export function visiblePayload(task: Pick<Task, 'payloadJson' | 'secretPaths'>): JsonObject {
  const payload = JSON.parse(task.payloadJson) as JsonObject;
  for (const pointer of task.secretPaths) mask(payload, pointer);
  return payload;
}

const pointerKeys = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

function mask(payload: JsonObject, pointer: string): void {
  const keys = pointerKeys(pointer);
  const last = keys.pop();
  let holder: JsonValue | undefined = payload;
  for (const key of keys) holder = (holder as JsonObject | undefined)?.[key];
  if (last !== undefined && holder !== null && typeof holder === 'object' && last in holder) {
    (holder as JsonObject)[last] = secretPlaceholder;
  }
}

/** The texts that `secretPaths` point to, at any depth, for redaction; numbers could not be told apart in a log. */
export function secretPayloadValues(task: Pick<Task, 'payloadJson' | 'secretPaths'>): string[] {
  const payload = JSON.parse(task.payloadJson) as JsonObject;
  return task.secretPaths.flatMap((pointer) =>
    textsIn(
      pointerKeys(pointer).reduce<JsonValue | undefined>(
        (value, key) => (value as JsonObject | undefined)?.[key],
        payload,
      ),
    ),
  );
}

function textsIn(value: JsonValue | undefined): string[] {
  if (typeof value === 'string') return [value];
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(textsIn) : [];
}

export const taskView = (task: Task): TaskView => ({
  task_id: task.id,
  task_type: task.taskType,
  project_id: task.projectId,
  actor_id: task.actorId,
  status: task.status,
  status_reason: task.statusReason,
  directive: { id: task.pins.directiveId, version: task.pins.directiveVersion, sha256: task.pins.directiveSha256 },
  payload: visiblePayload(task),
  attempts: task.attempts,
  max_attempts: task.policy.maxAttempts,
  priority: task.priority,
  run_after: isoTimeOrNull(task.runAfter),
  progress: task.progress,
  progress_text: task.progressText,
  assurance: task.assurance,
  outcome: task.outcome,
  result: task.result ?? null,
  aid: task.aid,
  created_at: isoTime(task.createdAt),
  updated_at: isoTime(task.updatedAt),
  started_at: isoTimeOrNull(task.startedAt),
  finished_at: isoTimeOrNull(task.finishedAt),
});

export const logLineView = (line: LogLine): LogLineView => ({
  id: line.id,
  run_id: line.runId,
  stream: line.stream,
  text: line.text,
  at: isoTime(line.at),
});
