// Three workers and a producer on one home, and one of them killed every 200 ms: nothing is lost, nothing is doubled, nothing
// is left behind. Short where CI is set; in full 500 tasks under a minute of killing. Needs Linux: /proc and flock.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { createTestApp, type TestApp, testSecret } from '../helpers/test-app.js';

const size = process.env.CI === undefined ? { tasks: 500, stormMs: 60_000 } : { tasks: 60, stormMs: 10_000 };
const killEveryMs = 200;
const cli = process.env.DOE_TEST_CLI ?? '';
const here = dirname(fileURLToPath(import.meta.url));

const files = {
  'directives/storm.md': '---\ntitle: Storm\nretry: { count: 100, backoff_ms: 20, on_interrupt: true }\n---\n# Storm\n',
  // The lock goes with the last process that holds it: an orphan of an earlier run counts as a second one.
  'execution/storm.sh': `
exec 9> "locks/$1"
flock -n 9 || echo "$1 $DOE_RUN_ID" >> overlaps
sleep "0.$((RANDOM % 10))"
echo "$1" >> done
`,
};

const environment = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  TMPDIR: tmpdir(),
  MCP_SECRET: testSecret,
  MCP_API_KEY: 'operator-key-for-tests-0123456789abcdef',
  DOE_LEASE_MS: '1000',
  DOE_POLL_MS: '200',
};

/** A process that is started again whenever it dies, until it ends by itself or is told to. */
class Reborn {
  private child: ChildProcess;
  private ending = false;
  deaths = 0;
  /** When this life came as far as its work. */
  private readyAt = Number.POSITIVE_INFINITY;
  /** Resolves with the exit code of the life that was not ended by a kill of ours. */
  readonly ended: Promise<number | null>;
  private finish: (code: number | null) => void = () => {};

  constructor(private readonly argv: string[]) {
    this.ended = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.child = this.start();
  }

  private start(): ChildProcess {
    const child = spawn(process.execPath, this.argv, { env: environment, stdio: ['ignore', 'ignore', 'pipe'] });
    this.readyAt = Number.POSITIVE_INFINITY;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('ready')) this.readyAt = Math.min(this.readyAt, performance.now());
    });
    child.once('exit', (code, signal) => {
      if (signal !== 'SIGKILL' || this.ending) {
        this.ending = true;
        this.finish(code);
        return;
      }
      this.deaths += 1;
      this.child = this.start();
    });
    return child;
  }

  /** Whether it has been at work long enough to be worth a kill, however slowly the machine starts processes. */
  get atWork(): boolean {
    return performance.now() - this.readyAt > 300;
  }

  get over(): boolean {
    return this.ending;
  }

  kill(): void {
    if (!this.ending) this.child.kill('SIGKILL');
  }

  /** Lets this life be the last one, and asks it to end. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.ending = true;
    const exit = once(this.child, 'exit');
    this.child.kill(signal);
    await exit;
  }
}

/** Kills one at random every 200 ms, for so long: mostly one that is at work, sometimes one that only starts. */
async function storm(processes: Reborn[], forMs: number): Promise<void> {
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, killEveryMs));
    const starting = Math.random() < 0.1;
    const living = processes.filter(({ over, atWork }) => !over && (atWork || starting));
    living[Math.floor(Math.random() * living.length)]?.kill();
  }
}

async function allSettled(app: TestApp, count: number): Promise<void> {
  const { store } = app.dispatcher;
  for (;;) {
    let stop = () => {};
    const news = new Promise<void>((resolve) => {
      stop = store.watch(resolve);
    });
    const counts = await store.tasks.counts();
    const open = counts.awaiting_ack + counts.queued + counts.running;
    const settled = Object.values(counts).reduce((sum, one) => sum + one, 0) === count && open === 0;
    if (!settled) await news;
    stop();
    if (settled) return;
  }
}

/** What still runs with this home in its environment. */
const leftOf = (home: string): string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProc(`/proc/${pid}/environ`).includes(`DOE_HOME=${home}\0`))
    .map((pid) => readProc(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

test(`${size.tasks} tasks end once each while a process is killed every ${killEveryMs} ms`, {
  timeout: 600_000,
}, async () => {
  const app = await createTestApp({ files, kind: 'command', start: false });
  mkdirSync(join(app.home, 'locks'));
  const worker = () => new Reborn([cli, 'worker', '--home', app.home, '--grace', '20']);
  const producer = new Reborn([join(here, 'producer.mjs'), dirname(dirname(cli)), app.home, String(size.tasks)]);
  const workers = [worker(), worker(), worker()];
  onTestFinished(async () => {
    for (const one of [producer, ...workers]) await one.stop('SIGKILL');
  });
  await storm([producer, ...workers], size.stormMs);
  expect(await producer.ended).toBe(0);
  await allSettled(app, size.tasks);
  for (const one of workers) await one.stop();

  const { store } = app.dispatcher;
  let repeated = 0;
  for (let n = 0; n < size.tasks; n++) {
    const id = `t${n}`;
    const [task, runs, acks, events] = await Promise.all([
      store.tasks.get(id),
      store.tasks.runs(id),
      store.people.acks(id),
      store.ledger.events({ taskId: id, limit: 1000 }),
    ]);
    expect(task).toMatchObject({ id, status: 'succeeded', runId: null, attempts: runs.length });
    expect(runs.map(({ outcome }) => outcome)).toEqual([...runs.slice(1).map(() => 'interrupted'), 'succeeded']);
    expect(new Set(runs.map(({ ackId }) => ackId))).toEqual(new Set([acks[0]?.id]));
    expect(acks.map(({ spentAt }) => spentAt !== null)).toEqual([true]);
    expect(events.filter(({ type }) => type === 'succeeded')).toHaveLength(1);
    repeated += runs.length - 1;
  }
  const done = readFileSync(join(app.home, 'done'), 'utf8').trim().split('\n');
  expect(new Set(done).size).toBe(size.tasks);
  expect(repeated).toBeGreaterThan(0);
  expect(existsSync(join(app.home, 'overlaps')) ? readFileSync(join(app.home, 'overlaps'), 'utf8') : '').toBe('');
  expect(leftOf(app.home)).toEqual([]);
  expect((await store.ledger.verify()).faults).toEqual([]);
  const deaths = [producer, ...workers].reduce((sum, one) => sum + one.deaths, 0);
  process.stdout.write(`kill storm: ${size.tasks} tasks, ${deaths} kills, ${repeated} interrupted runs repeated\n`);
});
