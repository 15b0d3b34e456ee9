// Which task comes next. Each look goes straight to the head of a partial index, so that it costs the same with one task
// queued as with a hundred thousand, be they due, waiting for their time, or held back by the limit of their type.
import type { Database } from 'better-sqlite3';
import type { TaskRow } from './rows.js';

const queued = "status = 'queued' AND run_id IS NULL";
const ready = `${queued} AND due = 1`;
const limited = `${ready} AND concurrency > 0`;

export const claimStatements = {
  /** Tasks whose time has come join those that may be claimed, so many in one go. */
  overdue: `SELECT seq FROM tasks INDEXED BY tasks_waiting WHERE ${queued} AND due = 0 AND run_after <= ? ORDER BY run_after LIMIT 500`,
  promote: 'UPDATE tasks SET due = 1 WHERE seq = ?',
  unlimited: `SELECT seq, priority FROM tasks INDEXED BY tasks_to_claim WHERE ${ready} AND concurrency = 0 ORDER BY priority DESC, seq LIMIT 1`,
  nextLimitedType: `SELECT task_type FROM tasks INDEXED BY tasks_limited WHERE ${limited} AND task_type > ? ORDER BY task_type LIMIT 1`,
  headOfType: `SELECT seq, priority, concurrency FROM tasks INDEXED BY tasks_limited WHERE ${limited} AND task_type = ? ORDER BY priority DESC, seq LIMIT 1`,
  fullProjects:
    'SELECT project_id FROM tasks INDEXED BY tasks_leased WHERE run_id IS NOT NULL GROUP BY project_id HAVING count(*) >= ?',
  inHands: 'SELECT count(*) AS count FROM tasks INDEXED BY tasks_leased WHERE run_id IS NOT NULL AND task_type = ?',
  take: `UPDATE tasks SET run_id = @run_id, lease_process = @process_id, lease_ms = @lease_ms, lease_beat = lease_beat + 1
    WHERE seq = @seq RETURNING *`,
} as const;

interface Candidate {
  seq: number;
  priority: number;
}

/** Passes over the tasks of projects that have as many runs as they may; looked at one by one, so only where there is such a limit. */
const elsewhere = (statement: string): string =>
  statement.replace(' ORDER BY', ' AND project_id NOT IN (SELECT value FROM json_each(@full)) ORDER BY');

export interface Lessee {
  run_id: string;
  process_id: string;
  lease_ms: number;
}

export interface Claimer {
  /** Whether a claim would find something, or has tasks to promote. Changes nothing. */
  worthwhile(now: number, projectLimit: number): boolean;
  /** Inside a write transaction: promotes what became due and leases the most urgent task. */
  claim(lessee: Lessee, now: number, projectLimit: number): TaskRow | undefined;
}

export function createClaimer(db: Database): Claimer {
  const paused = db.prepare("SELECT 1 FROM facts WHERE name = 'paused'");
  const overdue = db.prepare<[number], { seq: number }>(claimStatements.overdue);
  const promote = db.prepare<[number]>(claimStatements.promote);
  const unlimited = db.prepare<[], Candidate>(claimStatements.unlimited);
  const nextLimitedType = db.prepare<[string], string>(claimStatements.nextLimitedType).pluck();
  const headOfType = db.prepare<[string], Candidate & { concurrency: number }>(claimStatements.headOfType);
  const inHands = db.prepare<[string], number>(claimStatements.inHands).pluck();
  const take = db.prepare<[object], TaskRow>(claimStatements.take);

  const fullProjects = db.prepare<[number], string>(claimStatements.fullProjects).pluck();
  const unlimitedElsewhere = db.prepare<[{ full: string }], Candidate>(elsewhere(claimStatements.unlimited));
  const headElsewhere = db.prepare<[string, { full: string }], Candidate & { concurrency: number }>(
    elsewhere(claimStatements.headOfType),
  );

  const limitedHeads = function* (full: string | null) {
    let type = nextLimitedType.get('');
    while (type !== undefined) {
      const head = full === null ? headOfType.get(type) : headElsewhere.get(type, { full });
      if (head !== undefined && (inHands.get(type) ?? 0) < head.concurrency) yield head;
      type = nextLimitedType.get(type);
    }
  };

  const mostUrgent = (projectLimit: number): Candidate | undefined => {
    const projects = projectLimit === 0 ? [] : fullProjects.all(projectLimit);
    const full = projects.length === 0 ? null : JSON.stringify(projects);
    let best = full === null ? unlimited.get() : unlimitedElsewhere.get({ full });
    for (const head of limitedHeads(full)) {
      if (
        best === undefined ||
        head.priority > best.priority ||
        (head.priority === best.priority && head.seq < best.seq)
      )
        best = head;
    }
    return best;
  };

  return {
    worthwhile: (now, projectLimit) =>
      paused.get() === undefined && (mostUrgent(projectLimit) !== undefined || overdue.get(now) !== undefined),
    claim(lessee, now, projectLimit) {
      if (paused.get() !== undefined) return undefined;
      for (const { seq } of overdue.all(now)) promote.run(seq);
      const best = mostUrgent(projectLimit);
      return best === undefined ? undefined : take.get({ ...lessee, seq: best.seq });
    },
  };
}
