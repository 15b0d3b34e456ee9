// Between rows and records: one mapper for each table.
import type { JsonObject, JsonValue, Outcome } from '../../tasks/outcome.js';
import type { TaskStatus } from '../../tasks/states.js';
import {
  type Ack,
  type Assurance,
  type Channel,
  type LogLine,
  type Pins,
  type Principal,
  type Task,
  type TaskPolicy,
  visiblePayload,
} from '../../tasks/task.js';
import type { AnnealRow, AnnealStatus, Event, FailureRow, ProcessRow, RunRow } from '../store.js';

export interface PinColumns {
  directive_id: string;
  directive_version: number;
  directive_sha256: string;
  payload_sha256: string;
  files_sha256: string | null;
  script_sha256: string;
  binding: string;
}

const toPins = (row: PinColumns): Pins => ({
  directiveId: row.directive_id,
  directiveVersion: row.directive_version,
  directiveSha256: row.directive_sha256,
  payloadSha256: row.payload_sha256,
  filesSha256: row.files_sha256,
  scriptSha256: row.script_sha256,
  binding: row.binding,
});

export const fromPins = (pins: Pins): PinColumns => ({
  directive_id: pins.directiveId,
  directive_version: pins.directiveVersion,
  directive_sha256: pins.directiveSha256,
  payload_sha256: pins.payloadSha256,
  files_sha256: pins.filesSha256,
  script_sha256: pins.scriptSha256,
  binding: pins.binding,
});

export interface TaskRow extends PinColumns {
  seq: number;
  id: string;
  task_type: string;
  project_id: string;
  status: TaskStatus;
  status_reason: string | null;
  attempts: number;
  created_at: number;
  updated_at: number;
  actor_id: string;
  principal: Principal;
  channel: Channel;
  payload_json: string;
  secret_paths: string;
  policy: string;
  require_ack: number;
  priority: number;
  run_after: number | null;
  /** 1 once its time has come; a queued task is claimed only then. */
  due: number;
  requested_run_after: number | null;
  fix_used: number;
  ack_id: string | null;
  assurance: Assurance | null;
  run_id: string | null;
  lease_process: string | null;
  lease_ms: number | null;
  lease_beat: number;
  cancel_requested_at: number | null;
  progress: number | null;
  progress_text: string | null;
  outcome: Outcome | null;
  result: string | null;
  aid: string | null;
  traceparent: string | null;
  started_at: number | null;
  finished_at: number | null;
}

export const toTask = (row: TaskRow): Task => ({
  id: row.id,
  taskType: row.task_type,
  projectId: row.project_id,
  actorId: row.actor_id,
  principal: row.principal,
  channel: row.channel,
  status: row.status,
  statusReason: row.status_reason,
  pins: toPins(row),
  policy: JSON.parse(row.policy) as TaskPolicy,
  payloadJson: row.payload_json,
  secretPaths: JSON.parse(row.secret_paths) as string[],
  priority: row.priority,
  runAfter: row.run_after,
  requestedRunAfter: row.requested_run_after,
  attempts: row.attempts,
  fixUsed: row.fix_used === 1,
  runId: row.run_id,
  ackId: row.ack_id,
  assurance: row.assurance,
  progress: row.progress,
  progressText: row.progress_text,
  outcome: row.outcome,
  result: row.result === null ? undefined : (JSON.parse(row.result) as JsonValue),
  aid: row.aid,
  cancelRequestedAt: row.cancel_requested_at,
  traceparent: row.traceparent,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
});

export interface AckRow extends PinColumns {
  id: string;
  task_id: string;
  actor_id: string;
  assurance: Assurance;
  expires_at: number;
  principal: Principal;
  channel: Channel;
  key_id: string | null;
  answers: string;
  issued_at: number;
  not_before: number;
  first_started_at: number | null;
  revoked_at: number | null;
  spent_at: number | null;
}

export const toAck = (row: AckRow): Ack => ({
  id: row.id,
  taskId: row.task_id,
  pins: toPins(row),
  actorId: row.actor_id,
  principal: row.principal,
  channel: row.channel,
  keyId: row.key_id,
  assurance: row.assurance,
  answers: JSON.parse(row.answers) as JsonValue[],
  issuedAt: row.issued_at,
  notBefore: row.not_before,
  expiresAt: row.expires_at,
  firstStartedAt: row.first_started_at,
  revokedAt: row.revoked_at,
  spentAt: row.spent_at,
});

export interface RunColumns {
  id: string;
  task_id: string;
  outcome: Outcome | null;
  started_at: number;
  finished_at: number | null;
  ack_id: string | null;
  attempt: number;
  process_id: string;
  host: string;
  pid: number | null;
  pid_start: string | null;
  exit_code: number | null;
  signal: string | null;
  directive_sha256: string;
  script_sha256: string;
  payload_sha256: string;
  payload_json: string;
  secret_paths: string;
}

/** With its secret values masked. */
export const toVisiblePayload = (row: Pick<RunColumns, 'payload_json' | 'secret_paths'>): JsonObject =>
  visiblePayload({ payloadJson: row.payload_json, secretPaths: JSON.parse(row.secret_paths) as string[] });

export const toRun = (row: RunColumns): RunRow => ({
  id: row.id,
  taskId: row.task_id,
  ackId: row.ack_id,
  attempt: row.attempt,
  processId: row.process_id,
  host: row.host,
  pid: row.pid,
  pidStart: row.pid_start,
  outcome: row.outcome,
  exitCode: row.exit_code,
  signal: row.signal,
  startedAt: row.started_at,
  finishedAt: row.finished_at,
  directiveSha256: row.directive_sha256,
  scriptSha256: row.script_sha256,
  payloadSha256: row.payload_sha256,
});

export interface LogRow {
  id: number;
  run_id: string | null;
  stream: LogLine['stream'];
  text: string;
  at: number;
}

export const toLogLine = (row: LogRow): LogLine => ({
  id: row.id,
  runId: row.run_id,
  stream: row.stream,
  text: row.text,
  at: row.at,
});

export interface EventRow {
  seq: number;
  task_id: string | null;
  type: string;
  from_status: TaskStatus | null;
  to_status: TaskStatus | null;
  actor_id: string;
  principal: Principal;
  channel: Channel;
  key_id: string | null;
  assurance: Assurance | null;
  data: string;
  at: number;
  hash: string;
}

export const toEvent = (row: EventRow): Event => ({
  seq: row.seq,
  taskId: row.task_id,
  type: row.type,
  from: row.from_status,
  to: row.to_status,
  actorId: row.actor_id,
  principal: row.principal,
  channel: row.channel,
  keyId: row.key_id,
  assurance: row.assurance,
  data: JSON.parse(row.data) as JsonObject,
  at: row.at,
  hash: row.hash,
});

export interface FailureColumns {
  id: number;
  task_id: string;
  run_id: string | null;
  aid: string | null;
  outcome: Outcome | null;
  exit_code: number | null;
  attempts: number;
  error_type: string;
  classification: FailureRow['classification'];
  fingerprint: string;
  message: string;
  error_tail: string;
  directive_sha256: string;
  script_sha256: string;
  payload_sha256: string;
  files_sha256: string | null;
  at: number;
}

export const toFailure = (row: FailureColumns): FailureRow => ({
  id: row.id,
  taskId: row.task_id,
  runId: row.run_id,
  aid: row.aid,
  outcome: row.outcome,
  exitCode: row.exit_code,
  attempts: row.attempts,
  errorType: row.error_type,
  classification: row.classification,
  fingerprint: row.fingerprint,
  message: row.message,
  errorTail: row.error_tail,
  pins: {
    directiveSha256: row.directive_sha256,
    scriptSha256: row.script_sha256,
    payloadSha256: row.payload_sha256,
    filesSha256: row.files_sha256,
  },
  at: row.at,
});

export interface AnnealColumns extends FailureColumns {
  anneal_aid: string;
  anneal_status: AnnealStatus;
  opened_at: number;
  closed_at: number | null;
}

export const toAnneal = (row: AnnealColumns): AnnealRow => ({
  aid: row.anneal_aid,
  taskId: row.task_id,
  status: row.anneal_status,
  failure: toFailure(row),
  openedAt: row.opened_at,
  closedAt: row.closed_at,
});

export interface ProcessColumns {
  id: string;
  kind: ProcessRow['kind'];
  host: string;
  pid: number;
  pid_start: string | null;
  address: string | null;
  worker: ProcessRow['worker'];
  version: string;
  started_at: number;
  beat: number;
  beat_at: number;
}

export const toProcess = (row: ProcessColumns): ProcessRow => ({
  id: row.id,
  kind: row.kind,
  host: row.host,
  pid: row.pid,
  pidStart: row.pid_start,
  address: row.address,
  worker: row.worker,
  version: row.version,
  startedAt: row.started_at,
  beat: row.beat,
  beatAt: row.beat_at,
});
