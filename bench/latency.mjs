// From enqueue to script start in an idle process: prints the percentiles. `--runs N` (default 200), `--dist DIR` for another build.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at === -1 ? fallback : process.argv[at + 1];
};
const dist = resolve(option('dist', new URL('../dist', import.meta.url).pathname));
const runs = Number(option('runs', 200));
const load = (file) => import(join(dist, file));
const [{ createApp }, { loadConfig }, { silentLog }, { invoke }, { acknowledge, createTask }] = await Promise.all(
  ['app.js', 'config.js', 'log.js', 'tools/operation.js', 'tools/index.js'].map(load),
);

const home = mkdtempSync(join(tmpdir(), 'doe-bench-'));
mkdirSync(join(home, 'directives'));
mkdirSync(join(home, 'execution'));
writeFileSync(join(home, 'directives/job.md'), '---\ntitle: Job\n---\n# Job\n');
writeFileSync(join(home, 'execution/job.sh'), 'echo "$EPOCHREALTIME" > "$DOE_RESULT_FILE"\n');
for (let n = 0; n < 20; n++) {
  writeFileSync(join(home, `directives/other-${n}.md`), `---\ntitle: Other ${n}\n---\n# Other\n`);
  writeFileSync(join(home, `execution/other_${n}.sh`), 'exit 0\n');
}

const environment = {
  PATH: process.env.PATH,
  HOME: process.env.HOME,
  PORT: '0',
  MCP_SECRET: 'a-secret-for-the-bench-that-is-long-enough-0123456789',
  MCP_API_KEY: 'operator-key-for-the-bench-0123456789',
};
const app = await createApp({ config: loadConfig(home, environment), kind: 'serve', log: silentLog });
await app.start();
const { store } = app.dispatcher;
const call = { caller: { principal: 'operator', channel: 'http', keyId: 'bench', person: 'bench' } };

async function settled(taskId) {
  for (;;) {
    let stop = () => {};
    const news = new Promise((done) => {
      stop = store.watch(done);
    });
    const task = await store.tasks.get(taskId);
    if (task.status !== 'queued' && task.status !== 'running') {
      stop();
      return task;
    }
    await news;
    stop();
  }
}

const delays = [];
for (let n = 0; n < runs; n++) {
  const { task_id } = await invoke(
    app.dispatcher,
    createTask,
    { task_type: 'job', project_id: 'p', actor_id: 'b' },
    call,
  );
  await invoke(app.dispatcher, acknowledge, { task_id, actor_id: 'b' }, call);
  const enqueued = performance.timeOrigin + performance.now();
  const task = await settled(task_id);
  if (task.status !== 'succeeded') throw new Error(`${task.status}: ${task.statusReason}`);
  delays.push(Number(task.result) * 1000 - enqueued);
  // The process shall be idle when the next one comes.
  await wait(10);
}
await app.stop();
rmSync(home, { recursive: true, force: true });

delays.sort((one, other) => one - other);
const at = (share) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))].toFixed(1);
console.log(`enqueue to script start, ${runs} runs: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms`);
