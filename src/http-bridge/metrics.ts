// Prometheus text, computed from the store at the moment of the scrape: several processes on one home tell the same.
import { Gauge, Registry } from 'prom-client';
import type { Dispatcher } from '../tools/dispatcher.js';

export async function metricsText({ store, version }: Dispatcher): Promise<{ contentType: string; text: string }> {
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
    help: 'Processes of the home by kind and worker state.',
    labelNames: ['kind', 'worker'],
    registers,
  });
  for (const { kind, worker } of await store.ledger.processes()) processes.inc({ kind, worker });
  return { contentType: registry.contentType, text: await registry.metrics() };
}
