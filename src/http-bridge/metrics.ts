// Prometheus text, computed from the store at the moment of the scrape: several processes on one home tell the same.
import { Counter, Gauge, type Histogram, Registry } from 'prom-client';
import type { Figures } from '../queue/store.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { RefusalCount } from './refusals.js';

const secondsOf = (ms: number): number => ms / 1000;

/** Upper bounds of the run times, in seconds. */
const buckets = [0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600];

export async function metricsText(
  { store, version, clock, processes: list }: Dispatcher,
  refusals: RefusalCount,
): Promise<{ contentType: string; text: string }> {
  const registry = new Registry();
  const registers = [registry];
  new Gauge({ name: 'doe_build_info', help: 'The version that answers.', labelNames: ['version'], registers }).set(
    { version },
    1,
  );
  const tasks = new Gauge({ name: 'doe_tasks', help: 'Tasks by status.', labelNames: ['status'], registers });
  for (const [status, count] of Object.entries(await store.tasks.counts())) tasks.set({ status }, count);
  new Gauge({ name: 'doe_paused', help: '1 while no run may start.', registers }).set(
    (await store.tasks.paused()) ? 1 : 0,
  );
  const processes = new Gauge({
    name: 'doe_processes',
    help: 'Living processes of the home by kind and worker state.',
    labelNames: ['kind', 'worker'],
    registers,
  });
  for (const { kind, worker, alive } of await list()) if (alive) processes.inc({ kind, worker });

  const figures = await store.ledger.figures(buckets.map((seconds) => seconds * 1000));
  new Gauge({
    name: 'doe_oldest_queued_age_seconds',
    help: 'How long the task that waits longest, of those that could run now, has been queued; 0 where none waits.',
    registers,
  }).set(figures.oldestQueuedAt === null ? 0 : Math.max(0, secondsOf(clock.now() - figures.oldestQueuedAt)));
  const runs = new Counter({
    name: 'doe_runs_total',
    help: 'Runs that ended, by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  for (const { outcome, count } of figures.runs) runs.inc({ outcome }, count);
  registry.registerMetric(runTimes(figures.runs));
  const validations = new Counter({
    name: 'doe_validations_total',
    help: 'Validations of acknowledgements by code; of those that held (ok), the first of each run.',
    labelNames: ['code'],
    registers,
  });
  const counted = [...Object.entries(figures.validations), ...Object.entries(refusals.pending())];
  for (const [code, count] of counted) validations.inc({ code }, count);
  return { contentType: registry.contentType, text: await registry.metrics() };
}

/** A histogram whose sums the store has made already; the library's own only takes single observations. */
function runTimes(runs: Figures['runs']): Histogram {
  const name = 'doe_run_duration_seconds';
  const values = runs.flatMap(({ outcome, count, totalMs, within }) => [
    ...within.map((value, index) => ({
      value,
      labels: { le: buckets[index], outcome },
      metricName: `${name}_bucket`,
    })),
    { value: count, labels: { le: '+Inf', outcome }, metricName: `${name}_bucket` },
    { value: secondsOf(totalMs), labels: { outcome }, metricName: `${name}_sum` },
    { value: count, labels: { outcome }, metricName: `${name}_count` },
  ]);
  const get = async () => ({ name, help: 'How long runs took.', type: 'histogram', aggregator: 'sum', values });
  return { name, get } as unknown as Histogram;
}
