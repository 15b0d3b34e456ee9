// A claim must cost the same however many tasks wait behind the one that it gets: due, later, or held back by a limit.
import Sqlite from 'better-sqlite3';
import { by, load, median, taskOf, withHome, worker } from './home.mjs';

const wantedRatio = 1.25;

/** Copies one queued task so many times, straight in the table: what is measured is the claim. */
function fill(home, count, change) {
  const db = new Sqlite(`${home}/db.sqlite`);
  const columns = db
    .prepare("SELECT name FROM pragma_table_info('tasks') WHERE name NOT IN ('seq', 'id')")
    .pluck()
    .all();
  const values = columns.map((name) => change[name] ?? name);
  db.prepare(
    `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
     INSERT INTO tasks (id, ${columns.join(', ')}) SELECT 'fill-' || i, ${values.join(', ')} FROM n, tasks WHERE tasks.id = 'pattern'`,
  ).run();
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
}

/** Against an empty queue; a limit costs a look at its type or project, so there the short queue has two of them. */
const backlogs = {
  'due tasks': { change: {}, few: 0 },
  'tasks that wait for their time': { change: { run_after: '9e15', due: '0' }, few: 0 },
  'tasks of a type at its limit': { change: { task_type: "'held'", concurrency: '1', priority: '10' }, few: 2 },
  'tasks of a project at its limit': { change: { project_id: "'full'", priority: '10' }, few: 2, projectLimit: 1 },
};

export async function claimWithFullQueue({ dist, queued, claims }) {
  const { openSqliteStore } = await load(dist, 'queue/sqlite/index.js');
  const { systemClock } = await load(dist, 'clock.js');
  const checks = [];
  for (const [name, { change, few, projectLimit = 0 }] of Object.entries(backlogs)) {
    await withHome((home) =>
      withHome(async (emptyHome) => {
        const open = async (folder) => {
          const store = openSqliteStore({ home: folder, clock: systemClock });
          await store.tasks.create(taskOf('pattern', { status: 'queued' }), by);
          return store;
        };
        const [full, empty] = [await open(home), await open(emptyHome)];
        fill(home, queued, change);
        if (few > 0) fill(emptyHome, few, change);
        const claimer = { ...worker, projectLimit };
        if (few > 0) await Promise.all([full, empty].map((store) => holdBack(store, claimer)));
        const ratio = await compare({ full, empty, claimer }, claims);
        checks.push({
          name: `claim with ${queued.toLocaleString('en')} ${name} against ${few === 0 ? 'an empty queue' : few}`,
          value: ratio,
          wanted: `at most ${wantedRatio}`,
          ok: ratio <= wantedRatio,
        });
        await Promise.all([full.close(), empty.close()]);
      }),
    );
  }
  return checks;
}

/** Claims and gives back, in turns on both, and compares the medians. */
async function compare({ full, empty, claimer }, claims) {
  const times = { full: [], empty: [] };
  const measure = async (store, into) => {
    const from = performance.now();
    const claim = await store.tasks.claim(claimer);
    into.push(performance.now() - from);
    await store.tasks.release(claim.runId);
  };
  for (let turn = 0; turn < claims; turn += 1) {
    await measure(full, times.full);
    await measure(empty, times.empty);
  }
  const half = Math.floor(claims / 2);
  return median(times.full.slice(half)) / median(times.empty.slice(half));
}

/** Takes the one that the limit allows, so that all others under it stand before the next task and may not pass. */
async function holdBack(store, claimer) {
  const claim = await store.tasks.claim(claimer);
  if (claim.task.priority !== 10) throw new Error('What is limited should have been first.');
}
