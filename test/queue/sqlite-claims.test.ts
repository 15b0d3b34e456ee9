// A claim goes straight to the head of an index: no scan over tasks, no sorting.
import { expect, it, onTestFinished } from 'vitest';
import { claimStatements } from '../../src/queue/sqlite/claims.js';
import { openConnection } from '../../src/queue/sqlite/connection.js';
import { temporaryFolder } from '../helpers/test-app.js';

const indexOf: Record<Exclude<keyof typeof claimStatements, 'fullProjects'>, RegExp> = {
  overdue: /^SEARCH tasks USING (COVERING )?INDEX tasks_waiting \(run_after<\?\)$/,
  promote: /^SEARCH tasks USING INTEGER PRIMARY KEY \(rowid=\?\)$/,
  unlimited: /^SCAN tasks USING (COVERING )?INDEX tasks_to_claim$/,
  nextLimitedType: /^SEARCH tasks USING (COVERING )?INDEX tasks_limited \(task_type>\?\)$/,
  headOfType: /^SEARCH tasks USING (COVERING )?INDEX tasks_limited \(task_type=\?\)$/,
  inHands: /^SEARCH tasks USING (COVERING )?INDEX tasks_leased \(task_type=\?\)$/,
  take: /^SEARCH tasks USING INTEGER PRIMARY KEY \(rowid=\?\)$/,
};

it.each(Object.keys(indexOf) as (keyof typeof indexOf)[])('the statement %s reads its index alone', async (name) => {
  const connection = openConnection(`${temporaryFolder()}/db.sqlite`);
  onTestFinished(() => connection.close());
  const sql = claimStatements[name];
  // Only the plan is asked for; the values do not matter.
  const values = /@/.test(sql)
    ? [{ run_id: '', process_id: '', lease_ms: 0, seq: 0 }]
    : Array(sql.split('?').length - 1).fill('');
  const plan = connection.db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
  expect(plan.map(({ detail }) => detail)).toEqual([expect.stringMatching(indexOf[name])]);
});

it('what is sorted for a limit on projects are the tasks in hands alone', () => {
  const connection = openConnection(`${temporaryFolder()}/db.sqlite`);
  onTestFinished(() => connection.close());
  const plan = connection.db
    .prepare<[number], { detail: string }>(`EXPLAIN QUERY PLAN ${claimStatements.fullProjects}`)
    .all(1);
  expect(plan.map(({ detail }) => detail)).toEqual([
    'SCAN tasks USING INDEX tasks_leased',
    'USE TEMP B-TREE FOR GROUP BY',
  ]);
});
