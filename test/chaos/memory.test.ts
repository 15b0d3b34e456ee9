// A worker that ends a thousand tasks a minute, for ten minutes, holds no more than after the first one. A process of its own,
// as a person starts it, asked by requests. Its minutes are short where CI is set. Needs Linux: /proc.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ownSecrets, place, type Started } from '../helpers/doe.js';
import { memoryGauge } from '../helpers/held-memory.js';
import { jobHome } from '../helpers/worker-home.js';

const minutes = 10;
const MiB = 1024 * 1024;
/** A short first minute is over before the process has all that it needs of the system. */
const { perMinute, minuteMs, mostResident } =
  process.env.CI === undefined
    ? { perMinute: 1000, minuteMs: 60_000, mostResident: 10 * MiB }
    : { perMinute: 80, minuteMs: 5000, mostResident: 25 * MiB };
const mostHeld = 10 * MiB;

/** The process's own memory in the system, in bytes: without the files that are mapped into it. */
const resident = (pid: number): number =>
  Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;

/** Makes so many tasks, evenly over so much time. */
async function make({ call }: Started, count: number, withinMs: number): Promise<void> {
  const from = performance.now();
  for (let made = 1; made <= count; made += 1) {
    await call('/tasks', { task_type: 'job', project_id: 'p', actor_id: 'me' });
    await wait(Math.max(0, from + (withinMs * made) / count - performance.now()));
  }
}

/** Waits until none is on its way. */
async function allEnded({ call }: Started): Promise<void> {
  for (const status of ['queued', 'running']) {
    let waiting = (await call(`/tasks?status=${status}&limit=1`)).tasks as { task_id: string }[];
    while (waiting[0] !== undefined) {
      await call(`/tasks/${waiting[0].task_id}/status?wait_seconds=1`);
      waiting = (await call(`/tasks?status=${status}&limit=1`)).tasks as { task_id: string }[];
    }
  }
}

test(`${perMinute} tasks a minute for ${minutes} minutes leave the process no larger than the first minute did`, {
  timeout: 1_800_000,
}, async () => {
  const { home, doe, serve } = place({ ...jobHome('true\n', 'require_ack: false'), ...ownSecrets });
  expect((await doe(['trust', '--all', '--yes', '--home', home])).code).toBe(0);
  const gauge = memoryGauge();
  const server = await serve([], gauge.environment);
  const pid = server.process.pid ?? 0;
  const seen: { held: number; resident: number; tookMs: number }[] = [];
  for (let minute = 1; minute <= minutes; minute += 1) {
    const from = performance.now();
    await make(server, perMinute, minuteMs);
    await allEnded(server);
    const tookMs = performance.now() - from;
    seen.push({ held: await gauge.heldBy(pid), resident: resident(pid), tookMs });
    const { held, resident: whole } = seen.at(-1) ?? { held: 0, resident: 0 };
    const mib = (bytes: number) => (bytes / MiB).toFixed(1);
    process.stdout.write(
      `minute ${minute}: ${perMinute} tasks in ${(tookMs / 1000).toFixed(1)} s, holds ${mib(held)} MiB of ${mib(whole)} MiB\n`,
    );
  }
  const [first, last] = [seen[0], seen.at(-1)];
  expect((last?.held ?? 0) - (first?.held ?? 0)).toBeLessThan(mostHeld);
  expect((last?.resident ?? 0) - (first?.resident ?? 0)).toBeLessThan(mostResident);
  const metrics = await fetch(`${server.address}/metrics`, {
    headers: { 'x-api-key': 'own-key-of-this-home-'.repeat(2) },
  });
  expect(await metrics.text()).toContain(`doe_tasks{status="succeeded"} ${perMinute * minutes}\n`);
  expect((await server.stop()).code).toBe(0);
});
