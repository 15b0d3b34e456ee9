// The store against a model of the state table: random sequences of every move, by two workers, under a clock that jumps.
// The model knows nothing of the store's code; where the two differ, one of them is wrong, and the shortest sequence is shown.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/queue/store.js';
import type { TaskStatus } from '../../src/tasks/states.js';
import { newAnnealId, type Task } from '../../src/tasks/task.js';
import {
  ackOf,
  model as byModel,
  failure,
  jo,
  must,
  newTask,
  settlementOf,
  verdicts,
} from '../helpers/store-fixtures.js';
import type { TestClock } from '../helpers/test-app.js';
import type { StoreUnderTest } from './store.js';

const minute = 60_000;
const places = [0, 1, 2];
const settlements = ['succeeded', 'retry_scheduled', 'failed', 'anneal_opened', 'cancelled'] as const;

const place = fc.constantFrom(...places);
const worker = fc.constantFrom('proc_a', 'proc_a', 'proc_a', 'proc_b');
/** Mostly at a task in a state that allows it, else at whatever stands there: both the way and the refusal are tried. */
const aimed = fc.constantFrom(true, true, true, false);

/** The table of moves once more, by what a caller asks for. */
const from = {
  acknowledge: ['awaiting_ack'],
  reject: ['awaiting_ack'],
  pinned_anew: ['awaiting_ack'],
  cancel: ['awaiting_ack', 'queued', 'running'],
  ack_void: ['queued'],
  recordFailure: ['awaiting_ack', 'queued', 'failed', 'succeeded'],
  anneal_completed: ['needs_anneal'],
  dismissAnneal: ['needs_anneal'],
  retried: ['failed', 'cancelled'],
  release: ['queued'],
  begin: ['queued'],
  settle: ['running'],
  seize: ['queued', 'running'],
} as const satisfies Record<string, readonly TaskStatus[]>;

type CallerOp = Exclude<keyof typeof from, 'begin' | 'settle' | 'seize' | 'release'>;

type Op =
  | { op: 'create'; place: number; trusted: boolean; priority: number }
  | { op: CallerOp | 'release'; place: number; aimed: boolean }
  | { op: 'begin' | 'seize'; place: number; aimed: boolean; worker: string }
  | { op: 'settle'; place: number; aimed: boolean; worker: string; move: (typeof settlements)[number] }
  | { op: 'claim'; worker: string }
  | { op: 'heartbeat'; worker: string }
  | { op: 'pause'; paused: boolean }
  | { op: 'cancelStale' }
  | { op: 'pass'; ms: number };

const named = <Name extends Op['op']>(...names: Name[]) => fc.constantFrom(...names);
const callerOps = (Object.keys(from) as (keyof typeof from)[]).filter(
  (name): name is CallerOp | 'release' => !['acknowledge', 'begin', 'settle', 'seize'].includes(name),
);

const operation: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ op: named('create'), place, trusted: fc.boolean(), priority: fc.nat(2) }),
  },
  { weight: 4, arbitrary: fc.record({ op: named('acknowledge'), place, aimed }) },
  { weight: 6, arbitrary: fc.record({ op: named(...callerOps), place, aimed }) },
  { weight: 5, arbitrary: fc.record({ op: named('claim'), worker }) },
  { weight: 1, arbitrary: fc.record({ op: named('heartbeat'), worker }) },
  { weight: 6, arbitrary: fc.record({ op: named('begin'), place, aimed, worker }) },
  { weight: 1, arbitrary: fc.record({ op: named('seize'), place, aimed, worker }) },
  {
    weight: 5,
    arbitrary: fc.record({ op: named('settle'), place, aimed, worker, move: fc.constantFrom(...settlements) }),
  },
  { weight: 1, arbitrary: fc.record({ op: named('pause'), paused: fc.constantFrom(false, false, true) }) },
  { weight: 1, arbitrary: fc.record({ op: named('cancelStale') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: named('pass'),
      ms: fc.constantFrom(minute, 11 * minute, 15 * minute, 61 * minute, -30 * minute),
    }),
  },
);

/** One task as the table has it. */
interface Modelled {
  id: string;
  born: number;
  trusted: boolean;
  priority: number;
  status: TaskStatus;
  attempts: number;
  holder: string | null;
  stopping: boolean;
  dueAt: number;
  waitsSince: number;
  ack: { until: number; firstStart: number | null } | null;
}

class Model {
  readonly tasks = new Map<number, Modelled>();
  paused = false;
  private births = 0;
  private notedAt: number;

  constructor(
    private readonly clock: TestClock,
    private newestEvent: number,
  ) {
    this.notedAt = clock.monotonic();
  }

  /** Ahead of the wall clock, time passes a thousandth slower than the steady one. */
  private passed = () => Math.floor(this.newestEvent + (this.clock.monotonic() - this.notedAt) * 0.999);
  now = () => Math.max(this.clock.now(), this.passed());
  /** An event was written now. */
  noted = () => {
    const at = this.now();
    if (at > this.passed()) [this.newestEvent, this.notedAt] = [at, this.clock.monotonic()];
    return at;
  };

  create(at: number, id: string, { trusted, priority }: { trusted: boolean; priority: number }): void {
    const status = trusted ? 'queued' : 'awaiting_ack';
    const fresh = { attempts: 0, holder: null, stopping: false, dueAt: 0, ack: null, waitsSince: this.noted() };
    this.tasks.set(at, { id, born: this.births++, trusted, priority, status, ...fresh });
  }

  /** The move where the task is in one of the states; whether it was made. */
  move(at: number, sources: readonly TaskStatus[], to: TaskStatus, change: Partial<Modelled> = {}): boolean {
    const task = this.tasks.get(at);
    if (task === undefined || !sources.includes(task.status)) return false;
    Object.assign(task, { status: to, holder: null, stopping: false, ...change });
    if (to === 'awaiting_ack') Object.assign(task, { waitsSince: this.noted(), ack: null });
    this.noted();
    return true;
  }

  next(): Modelled | undefined {
    if (this.paused) return undefined;
    const free = [...this.tasks.values()].filter(({ status, holder }) => status === 'queued' && holder === null);
    // A time that a claim has seen come has come, also where the clock is set back afterwards.
    for (const task of free) if (task.dueAt <= this.now()) task.dueAt = 0;
    return free
      .filter(({ dueAt }) => dueAt === 0)
      .sort((one, other) => other.priority - one.priority || one.born - other.born)[0];
  }

  covered({ trusted, ack }: Modelled): boolean {
    if (trusted) return true;
    if (ack === null) return false;
    return this.now() < (ack.firstStart === null ? ack.until : ack.firstStart + 60 * minute);
  }
}

class Comparison {
  private made = 0;

  constructor(
    private readonly store: Store,
    private readonly clock: TestClock,
    private readonly run: string,
    private readonly model: Model,
  ) {}

  /** Does one operation on both sides and compares what came of it. */
  async step(op: Op): Promise<void> {
    const [wanted, got] = await this.apply(op);
    expect(got, JSON.stringify(op)).toEqual(wanted);
    for (const task of this.model.tasks.values()) {
      const { status, attempts, cancelRequestedAt } = must(await this.store.tasks.get(task.id));
      const shown = { status, attempts, stopping: cancelRequestedAt !== null };
      expect(shown, `${JSON.stringify(op)}, ${task.id}`).toEqual({
        status: task.status,
        attempts: task.attempts,
        stopping: task.stopping,
      });
    }
  }

  private async apply(op: Op): Promise<[wanted: unknown, got: unknown]> {
    const { store, model } = this;
    if (op.op === 'pass') return [null, (op.ms > 0 ? this.clock.advance(op.ms) : this.clock.jump(op.ms)) ?? null];
    if (op.op === 'pause') {
      if (model.paused !== op.paused) model.noted();
      model.paused = op.paused;
      return [undefined, await store.tasks.setPaused(op.paused, jo)];
    }
    if (op.op === 'claim') return this.claim(op.worker);
    if (op.op === 'heartbeat') return this.heartbeat(op.worker);
    if (op.op === 'cancelStale') return this.cancelStale();
    if (op.op === 'create') return this.create(op);
    const at = this.target(op);
    const task = model.tasks.get(at);
    if (task === undefined) return [null, null];
    const real = must(await store.tasks.get(task.id));
    const runId = real.runId ?? 'run_nobody_has';
    switch (op.op) {
      case 'begin':
        return this.begin(task, real, op.worker);
      case 'settle': {
        const mayNot = task.status !== 'running' || task.holder !== op.worker;
        const stopped = task.stopping && op.move === 'retry_scheduled';
        const move = stopped ? 'cancelled' : op.move;
        const runAfter = op.move === 'retry_scheduled' ? model.now() + 10 * minute : null;
        const to = {
          succeeded: 'succeeded',
          retry_scheduled: 'queued',
          failed: 'failed',
          anneal_opened: 'needs_anneal',
          cancelled: 'cancelled',
        } as const;
        const settlement = settlementOf({ id: runId, taskId: task.id, processId: op.worker }, op.move, {
          verdict: { ...verdicts[op.move], runAfter },
          aid: op.move === 'anneal_opened' ? newAnnealId(task.id, this.made++) : null,
        });
        const wanted =
          !mayNot && model.move(at, from.settle, to[move], { dueAt: move === 'retry_scheduled' ? (runAfter ?? 0) : 0 });
        return [wanted, (await store.tasks.settle(settlement)) !== null];
      }
      case 'seize': {
        const lease = (await store.tasks.leases()).find(({ taskId }) => taskId === task.id);
        const seized = await store.tasks.seize(runId, lease?.beat ?? 0, { processId: op.worker, leaseMs: 1000 });
        const wanted = task.holder !== null;
        if (wanted) task.holder = op.worker;
        return [wanted, seized];
      }
      case 'release':
        if (task.status === 'queued') task.holder = null;
        return [undefined, await store.tasks.release(runId)];
      default:
        return this.byCaller(op.op, at, real);
    }
  }

  private async byCaller(op: CallerOp, at: number, real: Task): Promise<[unknown, unknown]> {
    const { store, model } = this;
    const task = must(model.tasks.get(at));
    const { pins, policy, payloadJson, secretPaths, runId } = real;
    const repin = (
      move: 'pinned_anew' | 'ack_void' | 'retried' | 'anneal_completed',
      to: 'awaiting_ack' | 'queued' = 'awaiting_ack',
    ) =>
      store.tasks.repin(
        { taskId: task.id, move, to, work: { pins, policy, payloadJson, secretPaths }, reason: null, runId },
        jo,
      );
    const begunAnew = { attempts: 0, dueAt: 0, ack: null };
    switch (op) {
      case 'acknowledge': {
        const ack = ackOf(real, model.now());
        const change = { ack: { until: ack.expiresAt, firstStart: null } };
        return [model.move(at, from.acknowledge, 'queued', change), (await store.tasks.acknowledge(ack, jo)) !== null];
      }
      case 'reject':
        return [model.move(at, from.reject, 'cancelled'), (await store.tasks.reject(task.id, jo, 'no')) !== null];
      case 'cancel': {
        const asked = task.status === 'running';
        if (asked && !task.stopping) model.move(at, ['running'], 'running', { stopping: true, holder: task.holder });
        const wanted = asked || model.move(at, ['awaiting_ack', 'queued'], 'cancelled');
        return [wanted, (await store.tasks.cancel(task.id, jo, 'no')) !== null];
      }
      case 'pinned_anew':
        return [model.move(at, from.pinned_anew, 'awaiting_ack'), (await repin('pinned_anew')) !== null];
      case 'ack_void':
        return [model.move(at, from.ack_void, 'awaiting_ack'), (await repin('ack_void')) !== null];
      case 'retried':
        return [model.move(at, from.retried, 'awaiting_ack', begunAnew), (await repin('retried')) !== null];
      case 'anneal_completed': {
        const to = task.trusted ? 'queued' : 'awaiting_ack';
        return [model.move(at, from.anneal_completed, to, begunAnew), (await repin('anneal_completed', to)) !== null];
      }
      case 'recordFailure': {
        const aid = newAnnealId(task.id, this.made++);
        const wanted = model.move(at, from.recordFailure, 'needs_anneal');
        return [wanted, (await store.tasks.recordFailure(task.id, aid, failure, jo)) !== null];
      }
      default:
        return [model.move(at, from.dismissAnneal, 'failed'), (await store.tasks.dismissAnneal(task.id, jo)) !== null];
    }
  }

  /** Which of the places an operation goes to. */
  private target(op: Extract<Op, { aimed: boolean }>): number {
    const fits = ([, { status, holder }]: [number, Modelled]) =>
      (from[op.op] as readonly TaskStatus[]).includes(status) &&
      (op.op === 'seize' || !('worker' in op) || holder === op.worker);
    const found = op.aimed ? [...this.model.tasks].find(fits)?.[0] : undefined;
    return found ?? op.place;
  }

  private async create({ place: at, trusted, priority }: Extract<Op, { op: 'create' }>): Promise<[unknown, unknown]> {
    const known = this.model.tasks.get(at);
    const id = known?.id ?? `${this.run}-${at}`;
    if (known === undefined) this.model.create(at, id, { trusted, priority });
    const status = trusted ? 'queued' : 'awaiting_ack';
    const wanted = newTask({ id, priority, status, policy: { requireAck: !trusted } });
    return [known === undefined, (await this.store.tasks.create(wanted, byModel)).created];
  }

  private async claim(processId: string): Promise<[unknown, unknown]> {
    const wanted = this.model.next();
    const claim = await this.store.tasks.claim({ processId, leaseMs: 1000 });
    if (wanted !== undefined) wanted.holder = processId;
    return [wanted?.id ?? null, claim?.task.id ?? null];
  }

  private async begin(task: Modelled, { id, pins, runId }: Task, processId: string): Promise<[unknown, unknown]> {
    const { model } = this;
    const own = task.trusted ? ackOf({ id, pins }, model.now(), { assurance: 'agent' }) : null;
    const held = task.status === 'queued' && task.holder === processId;
    const wanted = held && !model.paused && model.covered(task);
    const begun = await this.store.tasks.begin(runId ?? 'run_nobody_has', { processId, host: 'here', ack: own });
    if (wanted) {
      if (task.ack !== null) task.ack.firstStart ??= model.now();
      const at = [...model.tasks].find(([, one]) => one === task)?.[0] ?? -1;
      model.move(at, ['queued'], 'running', { holder: processId, attempts: task.attempts + 1 });
    }
    // A pause that came since the claim sends it back.
    if (held && model.paused) task.holder = null;
    return [wanted, begun !== null];
  }

  private async heartbeat(processId: string): Promise<[unknown, unknown]> {
    const leases = await this.store.tasks.leases();
    const { lost, cancelled } = await this.store.tasks.heartbeat(
      processId,
      leases.map(({ runId }) => runId),
    );
    const idOf = (runId: string) => leases.find((lease) => lease.runId === runId)?.taskId;
    const held = [...this.model.tasks.values()].filter(({ holder }) => holder !== null);
    const ids = (tasks: Modelled[]) => tasks.map(({ id }) => id).sort();
    return [
      [
        ids(held.filter(({ holder }) => holder !== processId)),
        ids(held.filter(({ holder, stopping }) => holder === processId && stopping)),
      ],
      [lost.map(idOf).sort(), cancelled.map(idOf).sort()],
    ];
  }

  private async cancelStale(): Promise<[unknown, unknown]> {
    const before = this.model.now() - 60 * minute;
    const stale = [...this.model.tasks].filter(
      ([, { status, waitsSince }]) => status === 'awaiting_ack' && waitsSince < before,
    );
    for (const [at] of stale) this.model.move(at, ['awaiting_ack'], 'cancelled');
    return [stale.map(([, { id }]) => id).sort(), (await this.store.tasks.cancelStale(before)).sort()];
  }

  /** Leaves an empty queue for the next sequence. */
  async clear(): Promise<void> {
    await this.store.tasks.setPaused(false, jo);
    for (const { id } of this.model.tasks.values()) {
      const task = await this.store.tasks.cancel(id, jo, 'over');
      const lease = (await this.store.tasks.leases()).find(({ taskId }) => taskId === id);
      if (task?.status !== 'running' || lease === undefined) continue;
      await this.store.tasks.settle(
        settlementOf({ id: lease.runId, taskId: id, processId: lease.processId }, 'cancelled'),
      );
    }
  }
}

export function modelConformance(under: StoreUnderTest, runs: number): void {
  describe('random sequences of moves', () => {
    it(`come out as the state table says, ${runs} times`, { timeout: 60_000 + runs * 400 }, async () => {
      const { store, clock } = under;
      let sequences = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 10, maxLength: 60, size: 'max' }), async (ops) => {
          const comparison = new Comparison(store, clock, `run${sequences++}`, new Model(clock, await store.now()));
          try {
            for (const op of ops) await comparison.step(op);
          } finally {
            await comparison.clear();
          }
        }),
        { numRuns: runs },
      );
      expect((await under.store.ledger.verify()).faults).toEqual([]);
    });
  });
}
