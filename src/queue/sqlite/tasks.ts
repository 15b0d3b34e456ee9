// A task's way before and after its runs: create, acknowledge, pin anew, cancel, repair.
import type { TaskStatus } from '../../tasks/states.js';
import { taskStatuses } from '../../tasks/states.js';
import { bySystem } from '../../tasks/task.js';
import { fromCursor, toCursor } from '../cursor.js';
import type { NewAck, PinnedWork, TaskStore } from '../store.js';
import { pausedFact } from './claims.js';
import type { Context } from './context.js';
import { prepareOnce } from './driver.js';
import { withoutLease, withoutProgress } from './move.js';
import { fromPins, type TaskRow, toTask } from './rows.js';

type Half = Pick<
  TaskStore,
  | 'create'
  | 'get'
  | 'list'
  | 'counts'
  | 'waiting'
  | 'acknowledge'
  | 'reject'
  | 'repin'
  | 'cancel'
  | 'recordFailure'
  | 'dismissAnneal'
  | 'cancelStale'
  | 'paused'
  | 'setPaused'
>;

const workColumns = ({ pins, policy, payloadJson, secretPaths }: PinnedWork) => ({
  ...fromPins(pins),
  payload_json: payloadJson,
  secret_paths: JSON.stringify(secretPaths),
  policy: JSON.stringify(policy),
  require_ack: policy.requireAck ? 1 : 0,
  concurrency: policy.concurrency,
});

const insertColumns = [
  'id',
  'task_type',
  'project_id',
  'status',
  'status_reason',
  'created_at',
  'updated_at',
  'actor_id',
  'principal',
  'channel',
  'directive_id',
  'directive_version',
  'directive_sha256',
  'payload_sha256',
  'files_sha256',
  'script_sha256',
  'binding',
  'payload_json',
  'secret_paths',
  'policy',
  'require_ack',
  'concurrency',
  'priority',
  'run_after',
  'due',
  'requested_run_after',
  'awaiting_since',
  'traceparent',
];

const ackColumns = [
  'id',
  'task_id',
  'actor_id',
  'assurance',
  'expires_at',
  'principal',
  'channel',
  'key_id',
  'directive_id',
  'directive_version',
  'directive_sha256',
  'payload_sha256',
  'files_sha256',
  'script_sha256',
  'binding',
  'answers',
  'issued_at',
  'not_before',
  'first_started_at',
];

export const insertInto = (table: string, columns: string[]): string =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((column) => `@${column}`).join(', ')})`;

export const insertAck = insertInto('acks', ackColumns);

export const ackValues = (ack: NewAck, firstStartedAt: number | null) => ({
  ...fromPins(ack.pins),
  id: ack.id,
  task_id: ack.taskId,
  actor_id: ack.actorId,
  assurance: ack.assurance,
  expires_at: ack.expiresAt,
  principal: ack.principal,
  channel: ack.channel,
  key_id: ack.keyId,
  answers: JSON.stringify(ack.answers),
  issued_at: ack.issuedAt,
  not_before: ack.notBefore,
  first_started_at: firstStartedAt,
});

export function createTaskMoves({ db, write, events, mover, failures }: Context): Half {
  const insert = db.prepare(insertInto('tasks', insertColumns));
  const addAck = db.prepare(insertAck);
  const revoke = db.prepare(
    'UPDATE acks SET revoked_at = ? WHERE task_id = ? AND revoked_at IS NULL AND spent_at IS NULL',
  );
  const count = db.prepare<[], { status: TaskStatus; count: number }>(
    'SELECT status, count(*) AS count FROM tasks GROUP BY status',
  );
  const waiting = db.prepare<[], { count: number }>(
    "SELECT count(*) AS count FROM tasks WHERE status = 'awaiting_ack'",
  );
  const stale = db.prepare<[number], TaskRow>(
    "SELECT * FROM tasks WHERE status = 'awaiting_ack' AND awaiting_since < ? LIMIT 200",
  );
  const askToStop = db.prepare(
    'UPDATE tasks SET cancel_requested_at = @at, updated_at = @at, status_reason = @reason WHERE seq = @seq RETURNING *',
  );
  const isPaused = db.prepare(pausedFact);
  const pause = db.prepare("INSERT OR REPLACE INTO facts (name, value) VALUES ('paused', '1')");
  const resume = db.prepare("DELETE FROM facts WHERE name = 'paused'");
  const task = (row: TaskRow | null) => (row === null ? null : toTask(row));

  const cancelAsStale = (row: TaskRow): string => {
    const reason = 'It awaited its acknowledgement for too long.';
    const set = { status_reason: reason, finished_at: events.time(), outcome: 'cancelled' };
    mover.move(row, { move: 'stale', to: 'cancelled', by: bySystem, set, data: { reason } });
    return row.id;
  };

  return {
    create: (wanted, by) =>
      write(true, () => {
        const existing = mover.row(wanted.id);
        if (existing !== undefined) return { task: toTask(existing), created: false };
        const data = { binding: wanted.pins.binding, task_type: wanted.taskType, project_id: wanted.projectId };
        const at = events.write({ taskId: wanted.id, type: 'created', to: wanted.status, data }, by);
        insert.run({
          ...workColumns(wanted),
          id: wanted.id,
          task_type: wanted.taskType,
          project_id: wanted.projectId,
          status: wanted.status,
          status_reason: wanted.statusReason,
          created_at: at,
          updated_at: at,
          actor_id: by.actorId,
          principal: by.principal,
          channel: by.channel,
          priority: wanted.priority,
          run_after: wanted.runAfter,
          due: wanted.runAfter === null ? 1 : 0,
          requested_run_after: wanted.runAfter,
          awaiting_since: wanted.status === 'awaiting_ack' ? at : null,
          traceparent: wanted.traceparent,
        });
        return { task: toTask(mover.row(wanted.id) as TaskRow), created: true };
      }),

    get: async (taskId) => task(mover.row(taskId) ?? null),

    async list({ status, projectId, taskType, limit, cursor, oldestFirst = false }) {
      const kind = oldestFirst ? 'oldest_tasks' : 'tasks';
      const wanted = {
        status,
        project_id: projectId,
        task_type: taskType,
        before: fromCursor(kind, cursor) ?? undefined,
      };
      const conditions = [
        ...(['status', 'project_id', 'task_type'] as const)
          .filter((name) => wanted[name] !== undefined)
          .map((name) => `${name} = @${name}`),
        ...(wanted.before === undefined ? [] : [oldestFirst ? 'seq > @before' : 'seq < @before']),
      ];
      const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
      const given = Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined));
      const rows = prepareOnce<[object], TaskRow>(
        db,
        `SELECT * FROM tasks ${where} ORDER BY seq ${oldestFirst ? 'ASC' : 'DESC'} LIMIT @limit`,
      ).all({ ...given, limit: limit + 1 });
      const page = rows.slice(0, limit);
      return {
        tasks: page.map(toTask),
        nextCursor: rows.length > limit ? toCursor(kind, (page.at(-1) as TaskRow).seq) : null,
      };
    },

    async counts() {
      const counted = new Map(count.all().map((row) => [row.status, row.count]));
      return Object.fromEntries(taskStatuses.map((status) => [status, counted.get(status) ?? 0])) as Record<
        TaskStatus,
        number
      >;
    },

    waiting: async () => waiting.get()?.count ?? 0,

    acknowledge: (ack, by) =>
      write(true, () => {
        const row = mover.row(ack.taskId);
        if (row?.binding !== ack.pins.binding) return null;
        const moved = mover.move(row, {
          move: 'acknowledged',
          to: 'queued',
          by,
          assurance: ack.assurance,
          set: { status_reason: null, ack_id: ack.id, assurance: ack.assurance, awaiting_since: null },
          data: { ack_id: ack.id, binding: ack.pins.binding, expires_at: ack.expiresAt, answers: ack.answers },
        });
        if (moved !== null) addAck.run(ackValues(ack, null));
        return task(moved);
      }),

    reject: (taskId, by, reason) =>
      write(true, () =>
        task(
          mover.move(mover.row(taskId), {
            move: 'rejected',
            to: 'cancelled',
            by,
            set: { status_reason: reason, finished_at: events.time(), outcome: 'cancelled' },
            data: { reason },
          }),
        ),
      ),

    repin: ({ taskId, move, to, work, reason, runId, note }, by) =>
      write(true, () => {
        const row = mover.row(taskId);
        if (row === undefined || row.run_id !== runId) return null;
        const anew = move === 'anneal_completed' || move === 'retried';
        const at = events.time();
        const moved = mover.move(row, {
          move,
          to,
          by,
          set: {
            ...(work === null ? {} : workColumns(work)),
            ...withoutLease,
            ...(anew ? { ...withoutProgress, attempts: 0, fix_used: 0, run_after: null } : {}),
            status_reason: reason,
            ack_id: null,
            assurance: null,
            awaiting_since: to === 'awaiting_ack' ? at : null,
          },
          data: {
            binding: work?.pins.binding ?? row.binding,
            ...(reason === null ? {} : { reason }),
            ...(note === undefined ? {} : { note }),
            ...(move === 'anneal_completed' && row.aid !== null ? { aid: row.aid } : {}),
          },
        });
        if (moved === null) return null;
        revoke.run(at, taskId);
        if (move === 'anneal_completed') failures.closeBundle(row.aid, 'completed', at);
        return toTask(moved);
      }),

    cancel: (taskId, by, reason) =>
      write(true, () => {
        const row = mover.row(taskId);
        if (row?.status === 'running') {
          if (row.cancel_requested_at !== null) return toTask(row);
          const at = events.write(
            { taskId, type: 'cancel_requested', from: row.status, to: row.status, data: { reason } },
            by,
          );
          return toTask(askToStop.get({ at, reason, seq: row.seq }) as TaskRow);
        }
        const at = events.time();
        const set = { ...withoutLease, status_reason: reason, finished_at: at, outcome: 'cancelled' };
        const moved = mover.move(row, { move: 'cancelled', to: 'cancelled', by, set, data: { reason } });
        if (moved !== null) revoke.run(at, taskId);
        return task(moved);
      }),

    recordFailure: (taskId, aid, failure, by) =>
      write(true, () => {
        const row = mover.row(taskId);
        const at = events.time();
        const set = {
          ...withoutLease,
          status_reason: failure.message,
          outcome: 'failed',
          aid,
          finished_at: at,
          awaiting_since: null,
        };
        const moved = mover.move(row, {
          move: 'failure_recorded',
          to: 'needs_anneal',
          by,
          set,
          data: { aid, error_type: failure.errorType, classification: failure.classification },
        });
        if (moved === null) return null;
        revoke.run(at, taskId);
        failures.open(moved, {
          failure,
          attempts: failure.attempts,
          aid,
          at,
          runId: null,
          outcome: null,
          exitCode: null,
        });
        return toTask(moved);
      }),

    dismissAnneal: (taskId, by) =>
      write(true, () => {
        const row = mover.row(taskId);
        const moved = mover.move(row, {
          move: 'anneal_dismissed',
          to: 'failed',
          by,
          data: row?.aid == null ? {} : { aid: row.aid },
        });
        if (moved !== null) failures.closeBundle(moved.aid, 'dismissed', events.time());
        return task(moved);
      }),

    async cancelStale(before) {
      const ids: string[] = [];
      // So many at a time: the event loop and other writers get their turn in between.
      while (stale.get(before) !== undefined) {
        const cancelled = await write(true, () => stale.all(before).map(cancelAsStale));
        ids.push(...cancelled);
      }
      return ids;
    },

    paused: async () => isPaused.get() !== undefined,

    setPaused: (paused, by) =>
      write(true, () => {
        if ((isPaused.get() !== undefined) === paused) return;
        (paused ? pause : resume).run();
        events.write({ taskId: null, type: paused ? 'paused' : 'resumed' }, by);
      }),
  };
}
