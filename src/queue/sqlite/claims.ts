// Which task comes next. Each look goes straight to the head of a partial index, so that it costs the same with one task
// queued as with a hundred thousand, be they due, waiting for their time, or held back by the limit of their type.
import type { Database } from 'better-sqlite3';
import type { TaskRow } from './rows.js';

const queued = "status = 'queued' AND run_id IS NULL";
const ready = `${queued} AND due = 1`;
const free = `${ready} AND concurrency = 0`;
const limited = `${ready} AND concurrency > 0`;
const mostUrgentFirst = 'ORDER BY priority DESC, seq LIMIT 1';

/** There while the home is paused. */
export const pausedFact = "SELECT 1 FROM facts WHERE name = 'paused'";

export const claimStatements = {
  /** Tasks whose time has come join those that may be claimed, so many in one go. */
  overdue: `SELECT seq FROM tasks INDEXED BY tasks_waiting WHERE ${queued} AND due = 0 AND run_after <= ? ORDER BY run_after LIMIT 500`,
  promote: 'UPDATE tasks SET due = 1 WHERE seq = ?',
  unlimited: `SELECT seq, priority FROM tasks INDEXED BY tasks_to_claim WHERE ${free} ${mostUrgentFirst}`,
  nextProject: `SELECT project_id FROM tasks INDEXED BY tasks_to_claim_of_project WHERE ${free} AND project_id > ? ORDER BY project_id LIMIT 1`,
  headOfProject: `SELECT seq, priority FROM tasks INDEXED BY tasks_to_claim_of_project WHERE ${free} AND project_id = ? ${mostUrgentFirst}`,
  nextLimitedType: `SELECT task_type FROM tasks INDEXED BY tasks_limited WHERE ${limited} AND task_type > ? ORDER BY task_type LIMIT 1`,
  headOfType: `SELECT seq, priority, concurrency FROM tasks INDEXED BY tasks_limited WHERE ${limited} AND task_type = ? ${mostUrgentFirst}`,
  nextProjectOfType: `SELECT project_id FROM tasks INDEXED BY tasks_limited_of_project WHERE ${limited} AND task_type = ? AND project_id > ? ORDER BY project_id LIMIT 1`,
  headOfTypeAndProject: `SELECT seq, priority, concurrency FROM tasks INDEXED BY tasks_limited_of_project WHERE ${limited} AND task_type = ? AND project_id = ? ${mostUrgentFirst}`,
  fullProjects:
    'SELECT project_id FROM tasks INDEXED BY tasks_leased WHERE run_id IS NOT NULL GROUP BY project_id HAVING count(*) >= ?',
  projectOf: 'SELECT project_id FROM tasks WHERE seq = ?',
  inHands: 'SELECT count(*) AS count FROM tasks INDEXED BY tasks_leased WHERE run_id IS NOT NULL AND task_type = ?',
  take: `UPDATE tasks SET run_id = @run_id, lease_process = @process_id, lease_ms = @lease_ms, lease_beat = lease_beat + 1
    WHERE seq = @seq RETURNING *`,
} as const;

interface Candidate {
  seq: number;
  priority: number;
}
type LimitedCandidate = Candidate & { concurrency: number };

const moreUrgent = <One extends Candidate>(one: One | undefined, other: One | undefined): One | undefined => {
  if (one === undefined || other === undefined) return one ?? other;
  return other.priority > one.priority || (other.priority === one.priority && other.seq < one.seq) ? other : one;
};

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
  const paused = db.prepare(pausedFact);
  const overdue = db.prepare<[number], { seq: number }>(claimStatements.overdue);
  const promote = db.prepare<[number]>(claimStatements.promote);
  const unlimited = db.prepare<[], Candidate>(claimStatements.unlimited);
  const nextLimitedType = db.prepare<[string], string>(claimStatements.nextLimitedType).pluck();
  const nextProject = db.prepare<[string], string>(claimStatements.nextProject).pluck();
  const headOfProject = db.prepare<[string], Candidate>(claimStatements.headOfProject);
  const headOfType = db.prepare<[string], LimitedCandidate>(claimStatements.headOfType);
  const nextProjectOfType = db.prepare<[string, string], string>(claimStatements.nextProjectOfType).pluck();
  const headOfTypeAndProject = db.prepare<[string, string], LimitedCandidate>(claimStatements.headOfTypeAndProject);
  const projectOf = db.prepare<[number], string>(claimStatements.projectOf).pluck();
  const fullProjects = db.prepare<[number], string>(claimStatements.fullProjects).pluck();
  const inHands = db.prepare<[string], number>(claimStatements.inHands).pluck();
  const take = db.prepare<[object], TaskRow>(claimStatements.take);

  /** The head itself where its project has room; else the most urgent of the heads of those that have. */
  const headElsewhere = <One extends Candidate>(
    full: ReadonlySet<string>,
    head: One | undefined,
    projects: { next(after: string): string | undefined; head(project: string): One | undefined },
  ): One | undefined => {
    if (head === undefined || full.size === 0 || !full.has(projectOf.get(head.seq) ?? '')) return head;
    let best: One | undefined;
    for (let project = projects.next(''); project !== undefined; project = projects.next(project))
      if (!full.has(project)) best = moreUrgent(best, projects.head(project));
    return best;
  };

  const limitedHeads = function* (full: ReadonlySet<string>) {
    for (let type = nextLimitedType.get(''); type !== undefined; type = nextLimitedType.get(type)) {
      const of = type;
      const head = headElsewhere(full, headOfType.get(of), {
        next: (after) => nextProjectOfType.get(of, after),
        head: (project) => headOfTypeAndProject.get(of, project),
      });
      if (head !== undefined && (inHands.get(of) ?? 0) < head.concurrency) yield head;
    }
  };

  const mostUrgent = (projectLimit: number): Candidate | undefined => {
    const full = new Set(projectLimit === 0 ? [] : fullProjects.all(projectLimit));
    let best: Candidate | undefined = headElsewhere<Candidate>(full, unlimited.get(), {
      next: (after) => nextProject.get(after),
      head: (project) => headOfProject.get(project),
    });
    for (const head of limitedHeads(full)) best = moreUrgent(best, head);
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
