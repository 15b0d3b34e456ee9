// Moves that share one transaction: each keeps or loses its own changes, all are answered after the one commit.
import type { Database } from 'better-sqlite3';
import { translate } from './faults.js';

export interface Job {
  durable: boolean;
  move: () => unknown;
  /** When another process's lock first kept it waiting. */
  busySince?: number;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Answer {
  failed: boolean;
  value: unknown;
}

/** Runs jobs inside the transaction that is open, ends it, and answers them. */
export function createSettler(db: Database): (jobs: Job[]) => void {
  const commit = db.prepare('COMMIT');
  const rollback = db.prepare('ROLLBACK');
  const open = db.prepare('SAVEPOINT move');
  const release = db.prepare('RELEASE move');
  const undo = db.prepare('ROLLBACK TO move');

  const alone = ({ move }: Job): Answer => {
    try {
      return { failed: false, value: move() };
    } catch (value) {
      return { failed: true, value };
    }
  };

  const among = (job: Job): Answer => {
    open.run();
    const answer = alone(job);
    // A full or failing disk makes SQLite roll everything back by itself: there is no savepoint to return to.
    if (!db.inTransaction) throw answer.value;
    if (answer.failed) undo.run();
    release.run();
    return answer;
  };

  const runAll = (jobs: Job[]): Answer[] => {
    const answers = jobs.length === 1 ? jobs.map(alone) : jobs.map(among);
    if (!db.inTransaction) throw answers[0]?.value;
    (answers.every(({ failed }) => failed) ? rollback : commit).run();
    return answers;
  };

  /** Where even that fails the error before it is told; the next transaction begins with it. */
  const rollBackQuietly = () => {
    try {
      if (db.inTransaction) rollback.run();
    } catch {}
  };

  return (jobs) => {
    let answers: Answer[];
    try {
      answers = runAll(jobs);
    } catch (error) {
      // The transaction that all were in is gone: nobody's move was kept.
      rollBackQuietly();
      for (const { reject } of jobs) reject(translate(error));
      return;
    }
    for (const [index, { failed, value }] of answers.entries()) {
      if (failed) jobs[index]?.reject(translate(value));
      else jobs[index]?.resolve(value);
    }
  };
}
