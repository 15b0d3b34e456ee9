// Tasks from create to succeeded, durable at every step that somebody is told of: the store against the bare statements, in
// turns, so that whatever the machine does meanwhile happens to both.
import { openBare } from './bare.mjs';
import { ackOf, by, load, median, settlementOf, taskOf, withHome, worker } from './home.mjs';

const wantedRatio = 0.6;

async function oneTask(store, id) {
  const { tasks } = store;
  await tasks.create(taskOf(id), by);
  await tasks.acknowledge(ackOf(id, await store.now()), by);
  const { runId } = await tasks.claim(worker);
  await tasks.begin(runId, { processId: worker.processId, host: 'here', ack: null });
  await tasks.settle(settlementOf(runId));
}

/** Tasks a second with so many on their way at the same time. */
async function rate(count, inFlight, one) {
  let next = 0;
  const lane = async () => {
    while (next < count) await one(next++);
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  return (count / (performance.now() - from)) * 1000;
}

export async function lifecycle({ dist, rounds, tasks }) {
  const { openSqliteStore } = await load(dist, 'queue/sqlite/index.js');
  const { systemClock } = await load(dist, 'clock.js');
  const ways = { bare: [], 1: [], 10: [], 50: [] };
  await withHome((home) =>
    withHome(async (bareHome) => {
      const store = openSqliteStore({ home, clock: systemClock });
      await openSqliteStore({ home: bareHome, clock: systemClock }).close();
      const bare = openBare(`${bareHome}/db.sqlite`);
      // The first round warms both up and does not count.
      for (let round = 0; round <= rounds; round += 1) {
        const rates = {
          bare: await rate(tasks, 1, async (index) => bare.one(`bare-${round}-${index}`)),
          1: await rate(tasks, 1, (index) => oneTask(store, `one-${round}-${index}`)),
          10: await rate(tasks * 4, 10, (index) => oneTask(store, `ten-${round}-${index}`)),
          50: await rate(tasks * 4, 50, (index) => oneTask(store, `fifty-${round}-${index}`)),
        };
        if (round > 0) for (const [way, perSecond] of Object.entries(rates)) ways[way].push(perSecond);
      }
      bare.close();
      await store.close();
    }),
  );
  const perSecond = Object.fromEntries(Object.entries(ways).map(([way, rates]) => [way, median(rates)]));
  console.log(`create + acknowledge + claim + begin + settle, durable, tasks a second (median of ${rounds} rounds):`);
  console.log(`  bare statements     ${perSecond.bare.toFixed(0)}`);
  for (const inFlight of [1, 10, 50]) {
    const times = (perSecond[inFlight] / perSecond.bare).toFixed(2);
    console.log(
      `  store, ${String(inFlight).padStart(2)} in flight ${perSecond[inFlight].toFixed(0)} (${times} of bare)`,
    );
  }
  const ratio = median(ways[1].map((value, round) => value / ways.bare[round]));
  return [
    {
      name: 'store against bare statements, one at a time',
      value: ratio,
      wanted: `at least ${wantedRatio}`,
      ok: ratio >= wantedRatio,
    },
  ];
}
