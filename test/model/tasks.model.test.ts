// Random sequences of every operation that moves a task, from every door, with real runs between, against the model.
// DOE_MODEL_RUNS sets how many; a nightly run takes 10000.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  acknowledge,
  annealComplete,
  cancelTask,
  createTask,
  dismissAnneal,
  pause,
  recordFailure,
  resume,
  retryTask,
} from '../../src/tools/index.js';
import type { AnyOperation } from '../../src/tools/operation.js';
import { createRescue } from '../../src/worker/rescue.js';
import type { StopReason } from '../../src/worker/run-script.js';
import { runTask } from '../../src/worker/run-task.js';
import { createTestApp, createTestClock, type TestApp, type TestClock } from '../helpers/test-app.js';
import { trustAll } from '../helpers/worker-home.js';
import { codeOf, type Door, openDoors } from './doors.js';
import { type Kind, TaskModel, type World } from './state-model.js';

const runs = Number(process.env.DOE_MODEL_RUNS ?? 300);
const leaseMs = 1000;
const dayMs = 24 * 60 * 60_000;

/** Ends as the file `next` says, or once its gate is opened. */
const script = 'if [ -p "gate-$1" ]; then read -r code < "gate-$1"; else read -r code < next; fi; exit "$code"\n';
const directive = (kind: Kind, more: string) =>
  `---\nscript: ${kind}.sh\nincludes: [${kind}.sh]\n${more}\n---\n# ${kind}\n`;
const files = {
  'directives/plain.md': directive('plain', 'retry: { count: 1, backoff_ms: 0 }'),
  'directives/lasting.md': directive('lasting', 'auto_anneal: false'),
  'directives/again.md': directive('again', 'retry: { count: 1, backoff_ms: 0, on_interrupt: true }'),
  'directives/free.md': directive('free', 'require_ack: false\nretry: { count: 1, backoff_ms: 0 }'),
  ...Object.fromEntries(['plain', 'lasting', 'again', 'free'].map((kind) => [`execution/${kind}.sh`, script])),
};

interface Model extends World {
  tasks: TaskModel[];
  paused: boolean;
}

interface Held {
  task: TaskModel;
  stop: AbortController;
  done: Promise<void>;
}

/** The program under test: one home for all sequences, each with tasks of its own. */
class Real {
  held: Held | null = null;
  constructor(
    readonly app: TestApp,
    readonly clock: TestClock,
    readonly name: string,
    private readonly doors: Door[],
  ) {}

  async doorFor(index: number, operation: AnyOperation, task?: TaskModel): Promise<Door> {
    const door = this.doors[index % this.doors.length] as Door;
    return (await door.offers(operation, task?.id)) ? door : (this.doors[0] as Door);
  }

  private async start(): Promise<(Omit<Held, 'task'> & { id: string }) | null> {
    const { dispatcher } = this.app;
    const claim = await dispatcher.store.tasks.claim({ processId: 'model', leaseMs });
    if (claim === null) return null;
    const stop = new AbortController();
    const interpreters = { commandFor: async (one: { path: string }) => ({ file: '/bin/sh', args: [one.path] }) };
    const bytecode = { folderFor: async () => '/nowhere', remove: async () => {} };
    const done = runTask(
      {
        dispatcher,
        interpreters,
        bytecode,
        scriptUrl: () => 'http://127.0.0.1:9',
        random: () => 0,
        stop: stop.signal,
        onUnwritable: () => {},
      },
      claim,
    );
    return { id: claim.task.id, stop, done };
  }

  /** Runs what is next, to its end. Answers its id. */
  async work(code: number): Promise<string | null> {
    writeFileSync(join(this.app.home, 'next'), `${code}\n`);
    const started = await this.start();
    await started?.done;
    return started?.id ?? null;
  }

  async hold(task: TaskModel, starts: boolean): Promise<void> {
    if (starts) execFileSync('mkfifo', [join(this.app.home, `gate-${task.id}`)]);
    const started = await this.start();
    expect(started?.id).toBe(task.id);
    if (started === null) return;
    if (starts) this.held = { task, ...started };
    else await started.done;
    while (starts && (await this.app.dispatcher.store.tasks.get(task.id))?.status === 'queued')
      await new Promise(setImmediate);
  }

  async open(code: number): Promise<void> {
    const { task, done } = this.take();
    // Opening a pipe waits for its reader: never on the thread that has to start it.
    await Promise.all([writeFile(join(this.app.home, `gate-${task.id}`), `${code}\n`), done]);
    rmSync(join(this.app.home, `gate-${task.id}`));
  }

  async end(reason: StopReason): Promise<void> {
    const { task, stop, done } = this.take();
    stop.abort(reason);
    await done;
    rmSync(join(this.app.home, `gate-${task.id}`));
  }

  /** As after the death of the worker that held it: its lease stands still until another one takes it over. */
  async rescue(): Promise<void> {
    const rescue = createRescue({
      dispatcher: this.app.dispatcher,
      processId: 'rescuer',
      random: () => 0,
      isOurs: () => false,
    });
    await rescue.sweep();
    this.clock.advance(leaseMs);
    await rescue.sweep();
  }

  private take(): Held {
    const { held } = this;
    if (held === null) throw new Error('Nothing is held.');
    this.held = null;
    return held;
  }
}

type Command = fc.AsyncCommand<Model, Real>;

/** After each step every task is where the model says, and only tasks on their way have an ack that still covers something. */
async function compare(model: Model, { app, clock }: Real): Promise<void> {
  const { store } = app.dispatcher;
  for (const { id, status, attempts } of model.tasks) {
    const task = await store.tasks.get(id);
    expect({ id, status: task?.status, attempts: task?.attempts }).toEqual({ id, status, attempts });
    const living = (await store.people.acks(id)).filter(
      ({ revokedAt, spentAt }) => revokedAt === null && spentAt === null,
    );
    if (status !== 'queued' && status !== 'running') expect(living.map((ack) => ack.id)).toEqual([]);
  }
  clock.advance(1);
  model.now = clock.now();
}

const command = (
  name: string,
  check: (model: Model) => boolean,
  run: (model: Model, real: Real) => Promise<void>,
): Command => ({
  check,
  run: async (model, real) => {
    await run(model, real);
    await compare(model, real);
  },
  toString: () => name,
});

const pick = (model: Model, index: number): TaskModel => model.tasks[index % model.tasks.length] as TaskModel;
const any = (model: Model) => model.tasks.length > 0;
const idle = (model: Model) => model.tasks.every(({ status }) => status !== 'running');
const next = (model: Model) => (model.paused ? undefined : model.tasks.find(({ status }) => status === 'queued'));

/** One operation on one task, through one door, or through the first one where it is not offered there. */
const operation = (
  name: string,
  [of, fields]: [of: AnyOperation, fields: object],
  expected: (task: TaskModel, door: Door) => string | null,
) =>
  fc.tuple(fc.nat(5), fc.nat(6)).map(([index, which]) =>
    command(`${name}(${index}, door ${which})`, any, async (model, real) => {
      const task = pick(model, index);
      const door = await real.doorFor(which, of, task);
      const wanted = expected(task, door);
      const code = await door.call(of, { task_id: task.id, ...fields });
      expect({ name, door: door.name, code }).toEqual({ name, door: door.name, code: door.says(wanted) });
    }),
  );

const acknowledging = operation('acknowledge', [acknowledge, { actor_id: 'm' }], (task, { acknowledges, asks }) => {
  const code = task.acknowledge(acknowledges);
  return asks && code === 'not_allowed' ? null : code;
});

const switching = (name: 'pause' | 'resume', of: AnyOperation) =>
  fc.nat(6).map((which) =>
    command(
      `${name}(door ${which})`,
      () => true,
      async (model, real) => {
        const door = await real.doorFor(which, of);
        expect(await door.call(of, {})).toBe(door.rejects ? null : 'not_allowed');
        if (door.rejects) model.paused = name === 'pause';
      },
    ),
  );

let made = 0;
const commands = [
  fc.tuple(fc.constantFrom<Kind>('plain', 'lasting', 'again', 'free'), fc.nat(6)).map(([kind, which]) =>
    command(
      `create(${kind}, door ${which})`,
      (model) => model.tasks.length < 5,
      async (model, real) => {
        const task_id = `${real.name}-${kind}-${made++}`;
        const fields = { task_type: kind, project_id: 'p', actor_id: 'm', task_id };
        const door = await real.doorFor(which, createTask);
        expect(await door.call(createTask, fields)).toBeNull();
        model.tasks.push(new TaskModel(task_id, kind, model));
      },
    ),
  ),
  acknowledging,
  acknowledging,
  operation('reject', [acknowledge, { actor_id: 'm', decision: 'reject' }], (task, { rejects }) =>
    task.reject(rejects),
  ),
  operation('cancel', [cancelTask, {}], (task) => task.cancel()),
  operation('retry', [retryTask, {}], (task) => task.retry()),
  operation('record', [recordFailure, { error_type: 'x', classification: 'unknown' }], (task) => task.recordFailure()),
  operation('complete', [annealComplete, {}], (task) => task.annealComplete(false)),
  operation('complete with a note', [annealComplete, { note: 'n' }], (task) => task.annealComplete(true)),
  operation('dismiss', [dismissAnneal, {}], (task) => task.dismiss()),
  fc.constantFrom(0, 1).map((code) =>
    command(
      `work(${code})`,
      (model) => idle(model) && any(model),
      async (model, real) => {
        const task = next(model);
        if (task?.start()) task.end(code === 0 ? 'succeeded' : 'failed');
        expect(await real.work(code)).toBe(task?.id ?? null);
      },
    ),
  ),
  fc.constant(
    command(
      'hold',
      (model) => idle(model) && next(model) !== undefined,
      async (model, real) => {
        const task = next(model) as TaskModel;
        await real.hold(task, task.start());
      },
    ),
  ),
  fc.constantFrom(0, 1).map((code) =>
    command(
      `open(${code})`,
      (model) => !idle(model),
      async (_model, real) => {
        real.held?.task.end(code === 0 ? 'succeeded' : 'failed');
        await real.open(code);
      },
    ),
  ),
  fc.constantFrom<StopReason>('stopped', 'lease_lost').map((reason) =>
    command(
      `end(${reason})`,
      (model) => !idle(model),
      async (_model, real) => {
        real.held?.task.end('interrupted');
        await real.end(reason);
        if (reason === 'lease_lost') await real.rescue();
      },
    ),
  ),
  fc.constant(
    command(
      'edit',
      () => true,
      async (model, { app }) => {
        model.version += 1;
        app.write({ 'execution/plain.sh': `# ${model.version}\n${script}` });
      },
    ),
  ),
  switching('pause', pause),
  switching('resume', resume),
  switching('resume', resume),
  fc.constant(
    command('eight days pass', any, async (model, { app, clock }) => {
      clock.advance(8 * dayMs);
      model.now = clock.now();
      await app.dispatcher.store.tasks.cancelStale(clock.now() - 7 * dayMs);
      for (const task of model.tasks) task.goesStale();
    }),
  ),
  fc.constantFrom(16, 61).map((minutes) =>
    command(
      `wait(${minutes})`,
      () => true,
      async (model, { clock }) => {
        clock.advance(minutes * 60_000);
        model.now = clock.now();
      },
    ),
  ),
];

/** What brings a task to its runs comes more often than what takes it off its way. */
const onTheWay = commands.filter((_, index) => [0, 1, 10, 11, 12, 13].includes(index));

test(`${runs} random sequences of operations leave every task where the model says`, {
  timeout: 60_000 + runs * 1000,
}, async () => {
  const clock = createTestClock();
  const app = await createTestApp({ files, clock, noWorker: true, settings: { DOE_KEEP_DAYS: '36500' } });
  await trustAll(app);
  const doors = await openDoors(app);
  let sequence = 0;
  let version = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.commands([...commands, ...onTheWay, ...onTheWay], { maxCommands: 40, size: 'max' }),
      async (cmds) => {
        const real = new Real(app, clock, `s${sequence++}`, doors);
        const model: Model = { tasks: [], paused: false, now: clock.now(), version: version++ };
        app.write({ 'execution/plain.sh': `# ${version}.${sequence}\n${script}` });
        try {
          await fc.asyncModelRun(() => ({ model, real }), cmds);
        } finally {
          if (real.held !== null) await real.open(0);
          await app.call(resume, {});
          for (const { id } of model.tasks) await codeOf(() => app.call(cancelTask, { task_id: id }));
        }
      },
    ),
    { numRuns: runs, endOnFailure: process.env.CI !== undefined },
  );
});
