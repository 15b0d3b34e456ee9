// The only statement that changes a task's status, and the event that goes with it. Runs inside a write transaction.
import type { Database } from 'better-sqlite3';
import type { JsonObject } from '../../tasks/outcome.js';
import { isAllowed, type MoveName, type TaskStatus } from '../../tasks/states.js';
import type { Assurance, By } from '../../tasks/task.js';
import type { EventWriter } from './events.js';
import type { TaskRow } from './rows.js';

export interface MoveFacts {
  move: MoveName;
  to: TaskStatus;
  by: By;
  /** Columns that change with the status. */
  set?: Record<string, string | number | null>;
  assurance?: Assurance | null;
  data?: JsonObject;
}

export interface Mover {
  row(taskId: string): TaskRow | undefined;
  rowOfRun(runId: string): TaskRow | undefined;
  /** Null where the table of moves does not allow it from the task's present state. */
  move(row: TaskRow | undefined, facts: MoveFacts): TaskRow | null;
}

export function createMover(db: Database, events: EventWriter): Mover {
  const byId = db.prepare<[string], TaskRow>('SELECT * FROM tasks WHERE id = ?');
  const byRun = db.prepare<[string], TaskRow>('SELECT * FROM tasks WHERE run_id = ?');
  const updates = new Map<string, ReturnType<typeof db.prepare>>();

  const update = (columns: string[]) => {
    const key = columns.join();
    const known =
      updates.get(key) ??
      db.prepare(
        `UPDATE tasks SET ${columns.map((column) => `${column} = @${column}`).join(', ')} WHERE seq = @seq RETURNING *`,
      );
    updates.set(key, known);
    return known;
  };

  return {
    row: (taskId) => byId.get(taskId),
    rowOfRun: (runId) => byRun.get(runId),
    move(row, { move, to, by, set = {}, assurance = null, data = {} }) {
      if (row === undefined || !isAllowed(move, row.status, to)) return null;
      const at = events.write({ taskId: row.id, type: move, from: row.status, to, assurance, data }, by);
      const columns = { status: to, updated_at: at, ...set, ...(to === 'queued' ? dueness(row, set) : {}) };
      return update(Object.keys(columns)).get({ ...columns, seq: row.seq }) as TaskRow;
    },
  };
}

/** A task that returns to the queue with a time to wait for is not due yet; the claim says when it is. */
const dueness = (row: TaskRow, { run_after = row.run_after }: NonNullable<MoveFacts['set']>) => ({
  due: run_after === null ? 1 : 0,
});

/** What a task loses whenever it leaves a worker's hands. */
export const withoutLease = { run_id: null, lease_process: null, lease_ms: null, cancel_requested_at: null } as const;

/** What a task loses when its work begins anew. */
export const withoutProgress = {
  progress: null,
  progress_text: null,
  outcome: null,
  result: null,
  started_at: null,
  finished_at: null,
} as const;
