// The worker: claims while it has room, keeps its leases alive, ends runs that are asked to stop, rescues those of the dead.
import type { Dispatcher } from '../tools/dispatcher.js';
import { createBytecode } from './bytecode.js';
import { createInterpreters } from './interpreters.js';
import { createJobs } from './jobs.js';
import { createRescue } from './rescue.js';
import type { StopReason } from './run-script.js';
import { runTask } from './run-task.js';
import { isUnwritable } from './when-writable.js';

export interface WorkerOptions {
  dispatcher: Dispatcher;
  processId: string;
  /** Where this process answers its scripts. */
  scriptUrl: () => string;
  /** Whether this worker may take tasks now; a worker in a `doe mcp` stands back while another lives. */
  leadable: () => Promise<boolean>;
  /** In [0, 1), for jitter. */
  random?: () => number;
}

export interface WorkerLoop {
  readonly state: 'on' | 'standby' | 'off';
  start(): Promise<void>;
  /** Looks for work now rather than at the next poll. */
  wake(): void;
  /** Claims no more, gives running scripts `graceMs`, then ends them; resolves when nothing runs. */
  stop(options: { graceMs: number }): Promise<void>;
}

interface ActiveRun {
  taskId: string;
  stop: AbortController;
  done: Promise<void>;
}

export function createWorker({
  dispatcher,
  processId,
  scriptUrl,
  leadable,
  random = Math.random,
}: WorkerOptions): WorkerLoop {
  const { store, config, log } = dispatcher;
  const lease = { processId, leaseMs: config.leaseMs, projectLimit: config.projectConcurrency };
  const active = new Map<string, ActiveRun>();
  const interpreters = createInterpreters(config.home, config.variables);
  const bytecode = createBytecode(processId);
  const rescue = createRescue({ dispatcher, processId, random, isOurs: (runId) => active.has(runId) });
  let state: WorkerLoop['state'] = 'off';
  let stopWatching = () => {};
  let pumping: Promise<void> | null = null;
  let again = false;
  let due: NodeJS.Timeout | undefined;
  /** Set while the store cannot be written: nothing is claimed that could not be settled. */
  let unwritable = false;
  let lastFault: string | null = null;

  const end = (runId: string, reason: StopReason) => active.get(runId)?.stop.abort(reason);

  const begin = (claim: NonNullable<Awaited<ReturnType<typeof store.tasks.claim>>>) => {
    const stop = new AbortController();
    const context = { dispatcher, interpreters, bytecode, scriptUrl, random, stop: stop.signal, onUnwritable: pause };
    const done = runTask(context, claim)
      .catch((error: unknown) => {
        log.error('run.failed', { task_id: claim.task.id, run_id: claim.runId, error });
        if (isUnwritable(error)) pause(error);
      })
      .finally(() => {
        active.delete(claim.runId);
        wake();
      });
    active.set(claim.runId, { taskId: claim.task.id, stop, done });
  };

  const claimAll = async () => {
    const leads = await leadable();
    if (unwritable && state !== 'off') await tryWriting();
    if (state === 'off') return;
    state = leads ? 'on' : 'standby';
    while (leads && state === 'on' && active.size < config.concurrency) {
      const claim = await store.tasks.claim(lease);
      if (claim === null) break;
      // A stop may have come while the claim was under way: what is not begun is given back.
      if ((state as WorkerLoop['state']) === 'off') await store.tasks.release(claim.runId);
      else begin(claim);
    }
    lastFault = null;
    await sleepUntilDue();
  };

  /** @throws what the store throws while it still cannot be written */
  const tryWriting = async () => {
    await store.ledger.beat(processId, 'standby');
    unwritable = false;
    log.info('worker.resumed');
  };

  const sleepUntilDue = async () => {
    clearTimeout(due);
    const at = await store.tasks.nextDueAt();
    const wait = at === null ? config.pollMs : at - (await store.now());
    if (state !== 'off') due = setTimeout(wake, Math.min(Math.max(wait, 1), config.pollMs));
  };

  const endCancelled = async () => {
    for (const [runId, { taskId }] of active) {
      const task = await store.tasks.get(taskId);
      if (task?.runId === runId && task.cancelRequestedAt !== null) end(runId, 'cancelled');
    }
  };

  /** Says so once, and looks again at the next poll. */
  const pause = (error: unknown) => {
    const why = (error as Error).message;
    if (!isUnwritable(error) && why !== lastFault) log.error('worker.claim_failed', { error });
    else if (isUnwritable(error) && !unwritable) log.error('worker.paused', { error });
    lastFault = why;
    unwritable ||= isUnwritable(error);
    if (state === 'off') return;
    if (unwritable) state = 'standby';
    clearTimeout(due);
    due = setTimeout(wake, config.pollMs);
  };

  const pump = async () => {
    do {
      again = false;
      try {
        if (active.size > 0) await endCancelled();
        await claimAll();
      } catch (error) {
        pause(error);
      }
    } while (again && state !== 'off');
  };

  const wake = () => {
    if (state === 'off') return;
    again = true;
    pumping ??= pump().finally(() => {
      pumping = null;
      // News that came as the pump ended must not wait for the next poll.
      if (again) wake();
    });
  };

  const keepAlive = async () => {
    if (active.size === 0) return;
    const { lost, cancelled } = await store.tasks.heartbeat(processId, [...active.keys()]);
    for (const runId of lost) end(runId, 'lease_lost');
    for (const runId of cancelled) end(runId, 'cancelled');
  };

  const jobs = createJobs((what, error) => {
    if (isUnwritable(error)) pause(error);
    else log.warn(`worker.${what}_failed`, { error });
  });

  return {
    get state() {
      return state;
    },
    async start() {
      state = 'standby';
      stopWatching = store.watch(wake);
      jobs.every(config.leaseMs / 3, 'heartbeat', keepAlive);
      // Looked at often, so that a dead process's run is found about one lease after its last heartbeat.
      const sweep = jobs.every(config.leaseMs / 10, 'rescue', async () => {
        if (await leadable()) await rescue.sweep();
      });
      const tidy = jobs.every(config.leaseMs, 'upkeep', async () => {
        if (await leadable()) await rescue.tidy();
      });
      void sweep();
      void tidy();
      wake();
      // After the first look `state` says whether this worker leads.
      await pumping;
    },
    wake,
    async stop({ graceMs }) {
      state = 'off';
      stopWatching();
      clearTimeout(due);
      await pumping;
      clearTimeout(due);
      const finished = Promise.all([...active.values()].map(({ done }) => done));
      const grace = new AbortController();
      const over = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        grace.signal.addEventListener('abort', () => clearTimeout(timer));
      });
      await Promise.race([finished, over]);
      grace.abort();
      // Leases are kept alive until the last script has ended.
      for (const runId of active.keys()) end(runId, 'stopped');
      await finished;
      await jobs.stop();
      await bytecode.remove();
    },
  };
}
