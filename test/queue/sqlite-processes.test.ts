// Several real processes on one file.
import { type ChildProcess, execFile } from 'node:child_process';
import { chmodSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import { nextNews } from '../conformance/store-records.js';
import { jo, model, trustedTask } from '../helpers/store-fixtures.js';
import { temporaryFolder } from '../helpers/test-app.js';

const built = dirname(dirname(process.env.DOE_TEST_CLI ?? ''));
const script = join(dirname(fileURLToPath(import.meta.url)), '..', 'fixtures', 'store-child.mjs');
const nobody = 65_534;

interface Answer {
  answer?: unknown;
  code?: string;
  hint?: string;
}

/** Runs the fixture in a process of its own, as a user without rights where the tests run as root. */
function child(home: string, args: string[], { unprivileged = false } = {}): Promise<Answer> {
  const asNobody = unprivileged && process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  return new Promise((resolve, reject) => {
    const started: ChildProcess = execFile(
      process.execPath,
      [script, built, home, ...args],
      asNobody,
      (error, stdout, stderr) => (error ? reject(new Error(stderr, { cause: error })) : resolve(JSON.parse(stdout))),
    );
    onTestFinished(() => void started.kill('SIGKILL'));
  });
}

function openStore(home = temporaryFolder()) {
  const store = openSqliteStore({ home, clock: systemClock });
  onTestFinished(() => store.close());
  return { store, home };
}

it('gives each task to one of three processes that claim at the same time', async () => {
  const { store, home } = openStore();
  const ids = Array.from({ length: 200 }, (_, index) => `task-${index}`);
  await Promise.all(ids.map((id) => store.tasks.create(trustedTask({ id }), model)));
  const answers = await Promise.all(['one', 'two', 'three'].map((name) => child(home, ['claimAll', name])));
  const claimed = answers.flatMap(({ answer }) => answer as string[]);
  expect(claimed.sort()).toEqual(ids.sort());
  expect(await store.tasks.leases()).toHaveLength(ids.length);
  expect((await store.ledger.verify()).faults).toEqual([]);
});

it('hears of what another process commits', async () => {
  const { store, home } = openStore();
  const news = nextNews(store);
  expect(await child(home, ['pause'])).toEqual({});
  await news;
  expect(await store.tasks.paused()).toBe(true);
  expect(await store.ledger.changes(0, 10)).toMatchObject([{ type: 'paused', actorId: 'child' }]);
});

it('is laid out once by processes that start on an empty home together', async () => {
  const home = temporaryFolder();
  expect(await Promise.all(Array.from({ length: 4 }, () => child(home, ['open'])))).toEqual([{}, {}, {}, {}]);
  const { store } = openStore(home);
  await store.tasks.create(trustedTask(), jo);
  expect((await store.ledger.verify()).faults).toEqual([]);
});

it('says which folder cannot be written, and writes nothing into it', async () => {
  const home = temporaryFolder();
  chmodSync(home, 0o555);
  expect(await child(home, ['open'], { unprivileged: true })).toMatchObject({
    code: 'home_not_writable',
    message: expect.stringContaining(home),
    hint: expect.stringContaining('right to write'),
  });
  expect(readdirSync(home)).toEqual([]);
});

it('says which database cannot be written', async () => {
  const { store, home } = openStore();
  await store.tasks.create(trustedTask(), jo);
  await store.close();
  chmodSync(join(home, 'db.sqlite'), 0o444);
  chmodSync(home, 0o777);
  expect(await child(home, ['open'], { unprivileged: true })).toMatchObject({
    code: 'home_not_writable',
    message: expect.stringContaining('db.sqlite'),
  });
});
