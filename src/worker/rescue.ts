// Finds runs whose worker is dead, ends what is left of them, and settles them; opens bundles that a crash left unopened.
// A lease is dead when its heartbeat counter stood still for a lease by our own monotonic clock: wall clocks may jump.
import { hostname } from 'node:os';
import { describeFailure } from '../anneal/classify.js';
import type { Lease, RunRow } from '../queue/store.js';
import { judge } from '../tasks/retry.js';
import { newAnnealId } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { removeBytecodeOf } from './bytecode.js';
import { createHousekeeping } from './housekeeping.js';
import { endProcesses, processStart } from './process-group.js';
import { removeScratches } from './result-file.js';

export interface Rescue {
  /** One look over all leases; to be called several times a lease. */
  sweep(): Promise<void>;
  /** Opens bundles that a crash left unopened, forgets processes that are gone, keeps house. */
  tidy(): Promise<void>;
}

export interface RescueOptions {
  dispatcher: Dispatcher;
  processId: string;
  random: () => number;
  /** Runs that this very process works on. */
  isOurs: (runId: string) => boolean;
}

export function createRescue({ dispatcher, processId, random, isOurs }: RescueOptions): Rescue {
  const { store, clock, config, log, annealer } = dispatcher;
  const housekeeping = createHousekeeping(dispatcher);
  let seen = new Map<string, { beat: number; since: number }>();

  const stoodStill = ({ runId, beat, leaseMs }: Lease): boolean => {
    const before = seen.get(runId);
    if (before?.beat === beat) return clock.monotonic() - before.since >= leaseMs;
    seen.set(runId, { beat, since: clock.monotonic() });
    return false;
  };

  const rescue = async (lease: Lease) => {
    const { runId, taskId, beat } = lease;
    if (!(await store.tasks.seize(runId, beat, { processId, leaseMs: config.leaseMs }))) return;
    if (lease.run === null) {
      await store.tasks.release(runId);
      return;
    }
    await endOrphans(lease.run);
    await settleInterrupted(runId, taskId);
  };

  const settleInterrupted = async (runId: string, taskId: string) => {
    const task = await store.tasks.get(taskId);
    if (task === null) return;
    // By the time that says when it is due: the wall clock may have been set back.
    const now = await store.now();
    const message = 'Interrupted: its worker died while it ran.';
    const verdict = judge({ task, report: { outcome: 'interrupted', message }, fixed: false, now, random: random() });
    const aid = verdict.move === 'anneal_opened' ? newAnnealId(taskId, clock.now()) : null;
    const failure =
      verdict.move === 'cancelled' ? null : describeFailure({ errorType: 'interrupted', message, errorTail: '' });
    const outcome = verdict.move === 'cancelled' ? 'cancelled' : 'interrupted';
    await store.logs.append([{ taskId, runId, stream: 'system', text: message, at: clock.now() }]);
    const settled = await store.tasks.settle({
      runId,
      processId,
      verdict,
      outcome,
      exitCode: null,
      signal: null,
      result: undefined,
      failure,
      aid,
      fixUsed: false,
      scriptChangedTo: null,
    });
    if (settled === null) return;
    log.warn('run.rescued', { task_id: taskId, run_id: runId, to: settled.status });
    if (aid !== null) await annealer.open(aid);
  };

  const forgetTheGone = async () => {
    for (const row of await dispatcher.processes()) {
      if (!row.gone) continue;
      await removeBytecodeOf(row);
      await store.ledger.leave(row.id);
    }
  };

  return {
    async sweep() {
      const leases = (await store.tasks.leases()).filter(({ runId }) => !isOurs(runId));
      seen = new Map([...seen].filter(([runId]) => leases.some((lease) => lease.runId === runId)));
      for (const lease of leases.filter(stoodStill)) await rescue(lease);
    },
    async tidy() {
      await annealer.openMissing();
      await forgetTheGone();
      await housekeeping.look();
    },
  };
}

/** Ends what is left of a run on this host, at once and wholly: only then may it be repeated. */
export async function endOrphans({
  id,
  host,
  pid,
  pidStart,
}: Pick<RunRow, 'id' | 'host' | 'pid' | 'pidStart'>): Promise<void> {
  if (host !== hostname()) return;
  const own = pid !== null && pidStart !== null && processStart(pid) === pidStart;
  await endProcesses({ pid: own ? pid : null, runId: id }, 0);
  await removeScratches(id);
}
