// Random sequences of every operation from every kind of caller, with real runs between, against the model. DOE_MODEL_RUNS sets how many.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DispatcherError } from '../../src/errors.js';
import type { Caller } from '../../src/tasks/task.js';
import {
  acknowledge,
  annealComplete,
  cancelTask,
  createTask,
  dismissAnneal,
  recordFailure,
  retryTask,
} from '../../src/tools/index.js';
import { createRescue } from '../../src/worker/rescue.js';
import type { StopReason } from '../../src/worker/run-script.js';
import { runTask } from '../../src/worker/run-task.js';
import { callers, createTestApp, createTestClock, type TestApp, type TestClock } from '../helpers/test-app.js';
import { trustAll } from '../helpers/worker-home.js';
import { type Kind, TaskModel, type World } from './state-model.js';

const runs = Number(process.env.DOE_MODEL_RUNS ?? 300);
const leaseMs = 1000;

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
  ) {}

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

const codeOf = async (call: () => Promise<unknown>): Promise<string | null> => {
  try {
    await call();
    return null;
  } catch (error) {
    if (error instanceof DispatcherError) return error.code;
    throw error;
  }
};

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
const next = (model: Model) => model.tasks.find(({ status }) => status === 'queued');

/** One operation on one task, by one caller. */
const operation = (
  name: string,
  expected: (task: TaskModel, mayAct: boolean) => string | null,
  call: (app: TestApp, task_id: string, caller: Caller) => Promise<unknown>,
) =>
  fc.tuple(fc.nat(5), fc.constantFrom('operator', 'operator', 'agent', 'stdio')).map(([index, who]) =>
    command(`${name}(${index}, ${who})`, any, async (model, { app }) => {
      const task = pick(model, index);
      const wanted = expected(task, who === 'operator');
      const caller = callers[who as keyof typeof callers];
      expect({ name, code: await codeOf(() => call(app, task.id, caller)) }).toEqual({ name, code: wanted });
    }),
  );

let made = 0;
const commands = [
  fc.constantFrom<Kind>('plain', 'lasting', 'again', 'free').map((kind) =>
    command(
      `create(${kind})`,
      (model) => model.tasks.length < 5,
      async (model, { app, name }) => {
        const task_id = `${name}-${kind}-${made++}`;
        await app.call(createTask, { task_type: kind, project_id: 'p', actor_id: 'm', task_id });
        model.tasks.push(new TaskModel(task_id, kind, model));
      },
    ),
  ),
  operation(
    'acknowledge',
    (task, mayAct) => task.acknowledge(mayAct),
    (app, task_id, caller) => app.call(acknowledge, { task_id, actor_id: 'm' }, caller),
  ),
  operation(
    'acknowledge',
    (task, mayAct) => task.acknowledge(mayAct),
    (app, task_id, caller) => app.call(acknowledge, { task_id, actor_id: 'm' }, caller),
  ),
  operation(
    'reject',
    (task, mayAct) => task.reject(mayAct),
    (app, task_id, caller) => app.call(acknowledge, { task_id, actor_id: 'm', decision: 'reject' }, caller),
  ),
  operation(
    'cancel',
    (task) => task.cancel(),
    (app, task_id, caller) => app.call(cancelTask, { task_id }, caller),
  ),
  operation(
    'retry',
    (task) => task.retry(),
    (app, task_id, caller) => app.call(retryTask, { task_id }, caller),
  ),
  operation(
    'record',
    (task) => task.recordFailure(),
    (app, task_id, caller) => app.call(recordFailure, { task_id, error_type: 'x', classification: 'unknown' }, caller),
  ),
  operation(
    'complete',
    (task) => task.annealComplete(false),
    (app, task_id, caller) => app.call(annealComplete, { task_id }, caller),
  ),
  operation(
    'complete with a note',
    (task) => task.annealComplete(true),
    (app, task_id, caller) => app.call(annealComplete, { task_id, note: 'n' }, caller),
  ),
  operation(
    'dismiss',
    (task) => task.dismiss(),
    (app, task_id, caller) => app.call(dismissAnneal, { task_id }, caller),
  ),
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
  timeout: runs * 1000,
}, async () => {
  const clock = createTestClock();
  const app = await createTestApp({ files, clock, noWorker: true, kind: 'worker', start: false });
  await trustAll(app);
  let sequence = 0;
  let version = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.commands([...commands, ...onTheWay, ...onTheWay], { maxCommands: 40, size: 'max' }),
      async (cmds) => {
        const real = new Real(app, clock, `s${sequence++}`);
        const model: Model = { tasks: [], now: clock.now(), version: version++ };
        app.write({ 'execution/plain.sh': `# ${version}.${sequence}\n${script}` });
        try {
          await fc.asyncModelRun(() => ({ model, real }), cmds);
        } finally {
          if (real.held !== null) await real.open(0);
          for (const { id } of model.tasks) await codeOf(() => app.call(cancelTask, { task_id: id }));
        }
      },
    ),
    { numRuns: runs, endOnFailure: process.env.CI !== undefined },
  );
});
