// Nobody is told of anything before it is on disk: a process whose disk forgets every write that was not synced is killed in
// the middle of its work, and whatever it was told is there afterwards. Needs a C compiler (`cc`) and Linux.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import Sqlite from 'better-sqlite3';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import type { TaskStatus } from '../../src/tasks/states.js';
import { temporaryFolder } from '../helpers/test-app.js';

const here = dirname(fileURLToPath(import.meta.url));
const built = dirname(dirname(process.env.DOE_TEST_CLI ?? ''));
const layer = join(built, 'forgetful-disk.so');

interface Told {
  task?: string;
  status?: TaskStatus;
  nonce?: string;
  used?: boolean;
  line?: boolean;
}

beforeAll(() => {
  execFileSync('cc', ['-shared', '-fPIC', '-o', layer, join(here, 'forgetful-disk.c'), '-ldl']);
});

/** Lets the process work until it was told so many things, kills it, and answers what it was told and what the disk kept. */
async function cutPower(work: 'moves' | 'logLines', { lanes, after }: { lanes: number; after: number }) {
  const folder = temporaryFolder();
  const [home, durable] = [join(folder, 'home'), join(folder, 'durable')];
  for (const made of [home, durable]) mkdirSync(made);
  const child = spawn(process.execPath, [join(here, 'told.mjs'), built, home, work, String(lanes)], {
    env: { ...process.env, LD_PRELOAD: layer, DOE_DURABLE: durable },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const told: Told[] = [];
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    told.push(JSON.parse(line));
    if (told.length === after) child.kill('SIGKILL');
  });
  await Promise.all([once(child, 'exit'), once(lines, 'close')]);
  return { told, durable };
}

const order: TaskStatus[] = ['awaiting_ack', 'queued', 'running', 'succeeded'];

it.each([
  { lanes: 1, after: 1 },
  { lanes: 1, after: 25 },
  { lanes: 1, after: 40 },
  { lanes: 8, after: 100 },
  { lanes: 8, after: 333 },
  { lanes: 50, after: 500 },
  { lanes: 50, after: 2000 },
  // Long enough for the write-ahead log to be written back and begun anew.
  { lanes: 1, after: 900 },
])('keeps all that was told with $lanes at work when the power goes after $after answers', async ({ lanes, after }) => {
  const { told, durable } = await cutPower('moves', { lanes, after });
  expect(told.length).toBeGreaterThanOrEqual(after);
  const store = openSqliteStore({ home: durable, clock: systemClock });
  onTestFinished(() => store.close());
  for (const { task, status, nonce, used } of told) {
    if (task !== undefined && status !== undefined) {
      const kept = await store.tasks.get(task);
      expect(order.indexOf(kept?.status ?? 'cancelled'), `${task} was ${status}`).toBeGreaterThanOrEqual(
        order.indexOf(status),
      );
    }
    if (nonce !== undefined && used === true) expect(await store.people.consumeNonce(nonce, 'p'), nonce).toBeNull();
  }
  expect((await store.ledger.verify()).faults).toEqual([]);
  const db = new Sqlite(join(durable, 'db.sqlite'), { readonly: true });
  expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
  db.close();
});

it('is a test that can fail: what is not promised to be on disk is forgotten by this disk', async () => {
  const { told, durable } = await cutPower('logLines', { lanes: 1, after: 50 });
  expect(told.length).toBeGreaterThanOrEqual(50);
  expect(readdirSync(durable)).toContain('db.sqlite');
  const store = openSqliteStore({ home: durable, clock: systemClock });
  onTestFinished(() => store.close());
  expect((await store.logs.tail('a', 1000)).length).toBeLessThan(told.length);
});
