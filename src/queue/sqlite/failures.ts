// Failure and bundle rows, written inside the move that they belong to.
import type { Database } from 'better-sqlite3';
import type { Outcome } from '../../tasks/outcome.js';
import type { FailureFacts } from '../../tasks/retry.js';
import type { AnnealStatus } from '../store.js';
import type { TaskRow } from './rows.js';

export interface FailureEntry {
  failure: FailureFacts;
  /** How often it was tried where it failed; where nobody said, the task's own count. */
  attempts?: number | undefined;
  /** The bundle to open with it; null for a failure that is retried. */
  aid: string | null;
  at: number;
  runId: string | null;
  outcome: Outcome | null;
  exitCode: number | null;
}

export interface FailureWriter {
  open(row: TaskRow, entry: FailureEntry): void;
  closeBundle(aid: string | null, status: Exclude<AnnealStatus, 'open'>, at: number): void;
}

export function createFailureWriter(db: Database): FailureWriter {
  const insert = db.prepare(
    `INSERT INTO failures (task_id, run_id, aid, outcome, exit_code, attempts, error_type, classification, fingerprint, message, error_tail,
       directive_sha256, script_sha256, payload_sha256, files_sha256, payload_json, secret_paths, at)
     VALUES (@task_id, @run_id, @aid, @outcome, @exit_code, @attempts, @error_type, @classification, @fingerprint, @message, @error_tail,
       @directive_sha256, @script_sha256, @payload_sha256, @files_sha256, @payload_json, @secret_paths, @at)`,
  );
  const openBundle = db.prepare(
    "INSERT INTO anneal_tasks (aid, task_id, status, failure_id, opened_at) VALUES (?, ?, 'open', ?, ?)",
  );
  const close = db.prepare("UPDATE anneal_tasks SET status = ?, closed_at = ? WHERE aid = ? AND status = 'open'");
  return {
    open(row, { failure, attempts, aid, at, runId, outcome, exitCode }) {
      const { lastInsertRowid } = insert.run({
        task_id: row.id,
        run_id: runId,
        aid,
        outcome,
        exit_code: exitCode,
        attempts: attempts ?? row.attempts,
        error_type: failure.errorType,
        classification: failure.classification,
        fingerprint: failure.fingerprint,
        message: failure.message,
        error_tail: failure.errorTail,
        directive_sha256: row.directive_sha256,
        script_sha256: row.script_sha256,
        payload_sha256: row.payload_sha256,
        files_sha256: row.files_sha256,
        // A run keeps its own.
        payload_json: runId === null ? row.payload_json : null,
        secret_paths: runId === null ? row.secret_paths : null,
        at,
      });
      if (aid !== null) openBundle.run(aid, row.id, lastInsertRowid, at);
    },
    closeBundle(aid, status, at) {
      if (aid !== null) close.run(status, at, aid);
    },
  };
}
