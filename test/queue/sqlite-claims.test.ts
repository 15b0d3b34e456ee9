// A claim goes straight to the head of an index: no scan over tasks, no sorting. And a run begins only under an ack that holds.
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { claimStatements } from '../../src/queue/sqlite/claims.js';
import { openConnection } from '../../src/queue/sqlite/connection.js';
import { storeOn } from '../../src/queue/sqlite/index.js';
import { must, queuedTask, worker } from '../helpers/store-fixtures.js';
import { temporaryFolder } from '../helpers/test-app.js';

const indexOf: Record<Exclude<keyof typeof claimStatements, 'fullProjects'>, RegExp> = {
  overdue: /^SEARCH tasks USING (COVERING )?INDEX tasks_waiting \(run_after<\?\)$/,
  promote: /^SEARCH tasks USING INTEGER PRIMARY KEY \(rowid=\?\)$/,
  unlimited: /^SCAN tasks USING (COVERING )?INDEX tasks_to_claim$/,
  nextLimitedType: /^SEARCH tasks USING (COVERING )?INDEX tasks_limited \(task_type>\?\)$/,
  headOfType: /^SEARCH tasks USING (COVERING )?INDEX tasks_limited \(task_type=\?\)$/,
  nextProject: /^SEARCH tasks USING (COVERING )?INDEX tasks_to_claim_of_project \(project_id>\?\)$/,
  headOfProject: /^SEARCH tasks USING (COVERING )?INDEX tasks_to_claim_of_project \(project_id=\?\)$/,
  nextProjectOfType:
    /^SEARCH tasks USING (COVERING )?INDEX tasks_limited_of_project \(task_type=\? AND project_id>\?\)$/,
  headOfTypeAndProject:
    /^SEARCH tasks USING (COVERING )?INDEX tasks_limited_of_project \(task_type=\? AND project_id=\?\)$/,
  projectOf: /^SEARCH tasks USING INTEGER PRIMARY KEY \(rowid=\?\)$/,
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

it.each(['revoked_at', 'spent_at'])(
  'a run does not begin under an acknowledgement whose %s stands, however that came to be',
  async (column) => {
    const connection = openConnection(`${temporaryFolder()}/db.sqlite`);
    const store = storeOn(connection, systemClock);
    onTestFinished(() => store.close());
    await queuedTask(store);
    const claim = must(await store.tasks.claim(worker));
    connection.db.prepare(`UPDATE acks SET ${column} = 1`).run();
    const run = { processId: worker.processId, host: 'here', ack: null };
    expect(await store.tasks.begin(claim.runId, run)).toBeNull();
    connection.db.prepare(`UPDATE acks SET ${column} = NULL`).run();
    expect(await store.tasks.begin(claim.runId, run)).not.toBeNull();
  },
);
