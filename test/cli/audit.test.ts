// `doe audit` and `doe backup`, as a person and as a program call them, without a bridge.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import { createTask } from '../../src/tools/index.js';
import { place } from '../helpers/doe.js';
import { createTestApp, operatorKey, temporaryFolder, testSecret } from '../helpers/test-app.js';

const at = place();
const environment = { MCP_SECRET: testSecret, MCP_API_KEY: operatorKey };
const doe = (home: string, ...args: string[]) => at.doe(['--home', home, ...args], { environment });

async function homeWithTasks(): Promise<string> {
  const app = await createTestApp({ start: false });
  for (const [task_id, actor_id] of [
    ['TASK1', 'jo'],
    ['TASK2', 'mel'],
  ] as const)
    await app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id, task_id });
  await app.stop();
  return app.home;
}

it('lists who did what, of one task or of all', async () => {
  const home = await homeWithTasks();
  const all = await doe(home, 'audit');
  expect(all.code).toBe(0);
  expect(all.stdout).toMatch(/TASK1 +created: new → awaiting_ack +jo \(operator\) +http, key op\n/);
  expect(all.stdout).toMatch(/TASK2 +created: new → awaiting_ack +mel \(operator\) +http, key op of jo\n/);
  const { events } = JSON.parse((await doe(home, 'audit', '--task', 'TASK2', '--json')).stdout);
  expect(events).toMatchObject([{ task_id: 'TASK2', type: 'created' }]);
});

it('exports every event, one JSON object a line', async () => {
  const { stdout } = await doe(await homeWithTasks(), 'audit', 'export');
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(events.map(({ seq, task_id }) => [seq, task_id])).toEqual([
    [1, 'TASK1'],
    [2, 'TASK2'],
  ]);
});

it('verifies an intact record with 0, and a tampered one with 1 and the row', async () => {
  const home = await homeWithTasks();
  expect(await doe(home, 'audit', 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('2 events, nothing edited'),
  });
  expect(await doe(home, 'audit', 'verify', '--seal', 'f'.repeat(64))).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('was rewritten'),
  });
  const db = new Sqlite(join(home, 'db.sqlite'));
  db.exec("DROP TRIGGER events_are_not_changed; UPDATE events SET actor_id = 'mallory' WHERE seq = 2");
  db.close();
  expect(await doe(home, 'audit', 'verify')).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('event 2 of task TASK2'),
  });
  const { code, stdout } = await doe(home, 'audit', 'verify', '--json');
  expect([code, JSON.parse(stdout)]).toMatchObject([1, { intact: false, faults: [{ kind: 'event_changed', seq: 2 }] }]);
});

it('refuses what it does not know, and names what there is', async () => {
  expect(await doe(await homeWithTasks(), 'audit', 'mend')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('doe audit verify'),
  });
  const home = await homeWithTasks();
  const refused: [string[], string][] = [
    [['verfy'], 'Did you mean verify?'],
    [['--seal', 'f'.repeat(64)], 'doe audit verify'],
  ];
  for (const [args, words] of refused) {
    const { code, stdout, stderr } = await doe(home, 'audit', ...args);
    expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
    expect(stderr).toContain(words);
  }
});

it('says of a task that has no event which one may have been meant', async () => {
  const home = await homeWithTasks();
  for (const args of [
    ['--task', 'TASK1x'],
    ['export', '--task', 'TASK1x'],
  ]) {
    const { code, stderr } = await doe(home, 'audit', ...args);
    expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.stringContaining('Did you mean TASK1?') });
  }
});

it('backs up into a file of its own, and overwrites nothing', async () => {
  const home = await homeWithTasks();
  const folder = temporaryFolder();
  const file = join(folder, 'db.sqlite');
  expect(await doe(home, 'backup', file)).toMatchObject({ code: 0, stdout: expect.stringContaining(file) });
  const copy = openSqliteStore({ home: folder, clock: systemClock });
  expect(await copy.tasks.get('TASK1')).not.toBeNull();
  await copy.close();
  expect(await doe(home, 'backup', file)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('overwrites nothing'),
  });
  const nowhere = join(folder, 'none', 'db.sqlite');
  expect((await doe(home, 'backup', nowhere, '--json')).code).toBe(2);
  expect(existsSync(nowhere)).toBe(false);
});
