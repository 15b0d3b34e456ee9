// A task in a worker's hands: leased, begun, kept alive, settled once.
import { ackFault } from '../../tasks/ack.js';
import type { Outcome } from '../../tasks/outcome.js';
import type { Verdict } from '../../tasks/retry.js';
import { bySystem, newRunId } from '../../tasks/task.js';
import type { Settlement, TaskStore } from '../store.js';
import { createClaimer, pausedFact } from './claims.js';
import type { Context } from './context.js';
import { assertNotNewer } from './migrate.js';
import { withoutLease } from './move.js';
import { type AckRow, type RunColumns, type TaskRow, toAck, toRun, toTask, toVisiblePayload } from './rows.js';
import { ackValues, insertAck, insertInto } from './tasks.js';

type Half = Pick<
  TaskStore,
  | 'claim'
  | 'release'
  | 'begin'
  | 'spawned'
  | 'heartbeat'
  | 'settle'
  | 'leases'
  | 'seize'
  | 'run'
  | 'runs'
  | 'endedRuns'
  | 'queueChanges'
  | 'lastSuccess'
  | 'nextDueAt'
>;

const runColumns = [
  'id',
  'task_id',
  'started_at',
  'ack_id',
  'attempt',
  'process_id',
  'host',
  'directive_id',
  'directive_sha256',
  'script_sha256',
  'payload_sha256',
  'payload_json',
  'secret_paths',
];

export function createRunMoves({ db, write, events, mover, failures }: Context): Half {
  const claimer = createClaimer(db);
  const schemaVersion = db.prepare<[], number>('PRAGMA user_version').pluck();
  const release = db.prepare(
    "UPDATE tasks SET run_id = NULL, lease_process = NULL, lease_ms = NULL WHERE run_id = ? AND status = 'queued'",
  );
  const paused = db.prepare(pausedFact);
  const ackById = db.prepare<[string], AckRow>('SELECT * FROM acks WHERE id = ?');
  const addAck = db.prepare(insertAck);
  const markFirstStart = db.prepare('UPDATE acks SET first_started_at = ? WHERE id = ? AND first_started_at IS NULL');
  const lapse = db.prepare('UPDATE acks SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL AND spent_at IS NULL');
  const insertRun = db.prepare(insertInto('runs', runColumns));
  const runById = db.prepare<[string], RunColumns>('SELECT * FROM runs WHERE id = ?');
  const runsOf = db.prepare<[string], RunColumns>('SELECT * FROM runs WHERE task_id = ? ORDER BY started_at, rowid');
  const noteProcess = db.prepare(
    `UPDATE runs SET pid = @pid, pid_start = @pid_start WHERE id = @run_id AND finished_at IS NULL
       AND process_id = (SELECT lease_process FROM tasks WHERE run_id = @run_id)`,
  );
  const beat = db.prepare<[string, string], { cancel_requested_at: number | null }>(
    'UPDATE tasks SET lease_beat = lease_beat + 1 WHERE run_id = ? AND lease_process = ? RETURNING cancel_requested_at',
  );
  const finishRun = db.prepare(
    'UPDATE runs SET outcome = @outcome, finished_at = @at, exit_code = @exit_code, signal = @signal WHERE id = @run_id',
  );
  const spend = db.prepare('UPDATE acks SET spent_at = ? WHERE id = ? AND spent_at IS NULL');
  const leased = db.prepare<[], TaskRow>('SELECT * FROM tasks WHERE run_id IS NOT NULL');
  const seize = db.prepare(
    'UPDATE tasks SET lease_process = @process_id, lease_ms = @lease_ms, lease_beat = lease_beat + 1 WHERE run_id = @run_id AND lease_beat = @beat',
  );
  const ended = db.prepare<[object], { at: number; outcome: Outcome; count: number }>(
    `SELECT @since + CAST((finished_at - @since) / @stretch AS INTEGER) * @stretch AS at, outcome, count(*) AS count
     FROM runs WHERE finished_at >= @since GROUP BY 1, 2`,
  );
  const placeFrom = db.prepare<[number], { seq: number; at: number }>(
    'SELECT seq, at FROM events WHERE seq >= ? ORDER BY seq LIMIT 1',
  );
  const newestPlace = db.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM events');
  const queueChanges = db.prepare<[object], { at: number; change: number }>(
    `SELECT @since + CAST((at - @since) / @stretch AS INTEGER) * @stretch AS at,
       sum((to_status IS 'queued') - (from_status IS 'queued')) AS change
     FROM events WHERE seq >= @first GROUP BY 1`,
  );
  /** Events are in the order of their times, so halving finds the first one since; an index on times would cost every move. */
  const firstSince = (since: number): number => {
    let low = 1;
    let high = (newestPlace.get()?.seq ?? 0) + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const event = placeFrom.get(middle);
      if (event === undefined || event.at >= since) high = middle;
      else low = event.seq + 1;
    }
    return low;
  };
  const lastSuccess = db.prepare<[string], RunColumns>(
    "SELECT * FROM runs WHERE directive_id = ? AND outcome = 'succeeded' ORDER BY finished_at DESC LIMIT 1",
  );
  const bundleStatus = db.prepare<[string], string>('SELECT status FROM anneal_tasks WHERE aid = ?').pluck();
  const nextDue = db.prepare<[number], { at: number | null }>(
    "SELECT min(run_after) AS at FROM tasks INDEXED BY tasks_waiting WHERE status = 'queued' AND run_id IS NULL AND due = 0 AND run_after > ?",
  );

  const holds = (ack: AckRow, row: TaskRow, at: number): boolean =>
    ack.task_id === row.id && ack.binding === row.binding && ackFault(toAck(ack), at) === null;

  const settleColumns = ({ verdict, outcome, result, aid, fixUsed }: Settlement, row: TaskRow, at: number) => ({
    ...withoutLease,
    status_reason: verdict.reason,
    outcome,
    result: result === undefined ? null : JSON.stringify(result),
    run_after: verdict.runAfter,
    aid: aid ?? row.aid,
    fix_used: fixUsed ? 1 : row.fix_used,
    finished_at: verdict.move === 'retry_scheduled' ? null : at,
  });

  /** A cancel that came while the script was failing by itself: what was to be stopped is not tried again. */
  const underCancel = (verdict: Verdict, row: TaskRow): Verdict =>
    verdict.move === 'retry_scheduled' && row.cancel_requested_at !== null
      ? { move: 'cancelled', reason: row.status_reason, runAfter: null }
      : verdict;

  const targets = {
    succeeded: 'succeeded',
    retry_scheduled: 'queued',
    failed: 'failed',
    anneal_opened: 'needs_anneal',
    cancelled: 'cancelled',
  } as const;

  return {
    async claim({ processId, leaseMs, projectLimit = 0 }) {
      // An older program beside a migrated database must not touch what it does not understand.
      assertNotNewer(schemaVersion.get() ?? 0);
      // A look first: an idle worker must not take the write lock from those who have something to write.
      if (!claimer.worthwhile(events.time(), projectLimit)) return null;
      return write(false, () => {
        const lessee = { run_id: newRunId(), process_id: processId, lease_ms: leaseMs };
        const row = claimer.claim(lessee, events.time(), projectLimit);
        if (row === undefined) return null;
        const ack = row.ack_id === null ? undefined : ackById.get(row.ack_id);
        const task = toTask(row);
        return { runId: row.run_id as string, processId, task, ack: ack === undefined ? null : toAck(ack) };
      });
    },

    release: (runId) => write(false, () => void release.run(runId)),

    begin: (runId, { host, processId, ack: given }) =>
      write(true, () => {
        const row = mover.rowOfRun(runId);
        if (row?.lease_process !== processId) return null;
        // The pause may have come since the claim.
        if (paused.get() !== undefined) {
          release.run(runId);
          return null;
        }
        const at = events.time();
        const own = row.ack_id === null ? undefined : ackById.get(row.ack_id);
        const known = own !== undefined && holds(own, row, at) ? own : undefined;
        // Where no ack is wanted, one that no longer covers a retry gives way to the fresh one.
        if (known === undefined && (row.require_ack === 1 || given?.pins.binding !== row.binding)) return null;
        const ackId = known?.id ?? given?.id;
        if (ackId === undefined) return null;
        const first = known?.first_started_at ?? at;
        const moved = mover.move(row, {
          move: 'started',
          to: 'running',
          by: bySystem,
          assurance: known?.assurance ?? given?.assurance ?? null,
          set: {
            attempts: row.attempts + 1,
            ack_id: ackId,
            assurance: known?.assurance ?? given?.assurance ?? null,
            started_at: row.started_at ?? at,
            finished_at: null,
            status_reason: null,
            outcome: null,
            result: null,
            progress: null,
            progress_text: null,
          },
          data: { run_id: runId, attempt: row.attempts + 1, ack_id: ackId },
        });
        if (moved === null) return null;
        if (known === undefined && own !== undefined) lapse.run(at, own.id);
        if (known === undefined && given !== null) addAck.run(ackValues(given, first));
        else markFirstStart.run(at, ackId);
        insertRun.run({
          id: runId,
          task_id: row.id,
          started_at: at,
          ack_id: ackId,
          attempt: moved.attempts,
          process_id: row.lease_process,
          host,
          directive_id: row.directive_id,
          directive_sha256: row.directive_sha256,
          script_sha256: row.script_sha256,
          payload_sha256: row.payload_sha256,
          payload_json: row.payload_json,
          secret_paths: row.secret_paths,
        });
        return {
          task: toTask(moved),
          ack: toAck(ackById.get(ackId) as AckRow),
          run: toRun(runById.get(runId) as RunColumns),
        };
      }),

    spawned: (runId, pid, pidStart) =>
      write(false, () => noteProcess.run({ run_id: runId, pid, pid_start: pidStart }).changes === 1),

    heartbeat: (processId, runIds) =>
      write(false, () => {
        const beats = runIds.map((runId) => ({ runId, row: beat.get(runId, processId) }));
        return {
          lost: beats.filter(({ row }) => row === undefined).map(({ runId }) => runId),
          cancelled: beats.filter(({ row }) => row?.cancel_requested_at != null).map(({ runId }) => runId),
        };
      }),

    settle: (settlement) =>
      write(true, () => {
        const { runId, processId, outcome, exitCode, signal, failure, aid, scriptChangedTo } = settlement;
        const row = mover.rowOfRun(runId);
        if (row?.lease_process !== processId || row.status !== 'running') return null;
        const at = events.time();
        const verdict = underCancel(settlement.verdict, row);
        const healedBy =
          verdict.move === 'succeeded' && row.aid !== null && bundleStatus.get(row.aid) === 'completed'
            ? row.aid
            : null;
        const moved = mover.move(row, {
          move: verdict.move,
          to: targets[verdict.move],
          by: bySystem,
          set: settleColumns({ ...settlement, verdict }, row, at),
          data: {
            run_id: runId,
            outcome,
            exit_code: exitCode,
            ...(verdict.runAfter === null ? {} : { run_after: verdict.runAfter }),
            ...(aid === null ? {} : { aid }),
            ...(healedBy === null ? {} : { healed_by: healedBy }),
            ...(scriptChangedTo === null ? {} : { script_changed_to: scriptChangedTo }),
          },
        });
        if (moved === null) return null;
        finishRun.run({ run_id: runId, outcome, at, exit_code: exitCode, signal });
        if (failure !== null) failures.open(row, { failure, aid, at, runId, outcome, exitCode });
        if (verdict.move !== 'retry_scheduled' && row.ack_id !== null) spend.run(at, row.ack_id);
        return toTask(moved);
      }),

    leases: async () =>
      leased.all().map((row) => {
        const run = runById.get(row.run_id as string);
        return {
          runId: row.run_id as string,
          taskId: row.id,
          processId: row.lease_process as string,
          leaseMs: row.lease_ms as number,
          beat: row.lease_beat,
          run: run === undefined ? null : toRun(run),
        };
      }),

    seize: (runId, beatSeen, { processId, leaseMs }) =>
      write(
        true,
        () => seize.run({ run_id: runId, beat: beatSeen, process_id: processId, lease_ms: leaseMs }).changes === 1,
      ),

    run: async (runId) => {
      const row = runById.get(runId);
      return row === undefined ? null : toRun(row);
    },
    runs: async (taskId) => runsOf.all(taskId).map(toRun),
    queueChanges: async (since, stretch) => queueChanges.all({ since, stretch, first: firstSince(since) }),
    endedRuns: async (since, stretch) => ended.all({ since, stretch }),
    async lastSuccess(directiveId) {
      const row = lastSuccess.get(directiveId);
      return row === undefined ? null : { run: toRun(row), payload: toVisiblePayload(row) };
    },
    nextDueAt: async () => nextDue.get(events.time())?.at ?? null,
  };
}
