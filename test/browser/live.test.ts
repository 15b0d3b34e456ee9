import { expect, test } from 'vitest';
import type { Caller } from '../../src/tasks/task.js';
import { acknowledge, cancelTask, createTask } from '../../src/tools/index.js';
import { callers, createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';
import { useBrowser, visit } from './browser.js';

useBrowser();

const create = (app: TestApp, task_id: string, caller: Caller = callers.operator) =>
  app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id }, caller);

/** Creates a task and acknowledges it. */
async function begin(app: TestApp, task_id: string): Promise<void> {
  const { binding } = await create(app, task_id);
  await app.call(acknowledge, { task_id, actor_id: 'me', binding });
}

test('what waits shows up in the inbox and in the title by itself, whichever process made it', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  const other = await createTestApp({ home: app.home, files: {}, noWorker: true });
  await page.goto(`${origin}/ui/approvals`);
  await page.getByText('Nothing waits for you.').waitFor();
  await create(other, 'elsewhere', callers.agent);
  await page.getByText('elsewhere').waitFor();
  await page.waitForFunction(() => document.title.startsWith('(1) '));
});

test('the title of every page counts what waits, whatever the page is about', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  for (const [count, path] of ['/ui/audit', '/ui/directives/hello', '/ui/passkeys', '/ui/tasks/task-0'].entries()) {
    await page.goto(origin + path);
    await create(app, `task-${count}`);
    await page.waitForFunction((title) => document.title.startsWith(title), `(${count + 1}) `);
    expect(await page.locator('#waiting').textContent()).toBe(String(count + 1));
  }
});

test('who asked for it is told by the browser when more waits and the page is out of sight', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await page.addInitScript(() => {
    const told: string[] = [];
    let permission = 'default';
    class Notification {
      static get permission() {
        return permission;
      }
      static async requestPermission() {
        permission = 'granted';
        return permission;
      }
      constructor(_title: string, { body }: { body: string }) {
        told.push(body);
      }
    }
    Object.assign(window, { Notification, told });
  });
  await page.goto(`${origin}/ui/approvals`);
  const wish = page.getByRole('button', { name: 'Tell me when something waits' });
  await wish.click();
  await wish.waitFor({ state: 'hidden' });
  await create(app, 'seen');
  await page.getByText('seen', { exact: true }).waitFor();
  expect(await page.evaluate('told')).toEqual([]);
  await page.evaluate(() => Object.defineProperty(document, 'hidden', { get: () => true }));
  await create(app, 'unseen');
  await page.waitForFunction('told.length > 0');
  expect(await page.evaluate('told')).toEqual(['2 wait for your decision']);
});

test('whoever moves by keyboard stays where he is when the page brings itself up to date', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await create(app, 'one');
  await page.goto(`${origin}/ui`);
  const pause = page.getByRole('button', { name: 'Pause: let no run start' });
  await pause.focus();
  await page.evaluate(() => document.querySelector('#workers')?.setAttribute('data-old', ''));
  await app.call(cancelTask, { task_id: 'one' });
  await page.waitForFunction(() => document.querySelector('#workers[data-old]') === null);
  expect(await pause.evaluate((element) => element === document.activeElement)).toBe(true);
});

test('two open pages of one browser share one stream, and the second goes on when the first closes', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await page.goto(`${origin}/ui/approvals`);
  const second = await page.context().newPage();
  const streams: string[] = [];
  second.on('request', (request) => request.url().includes('/ui/live') && streams.push(request.url()));
  await second.goto(`${origin}/ui/approvals`);
  await create(app, 'one', callers.agent);
  await second.getByText('one', { exact: true }).waitFor();
  expect(streams).toEqual([]);
  await page.close();
  await create(app, 'two', callers.agent);
  await second.getByText('two', { exact: true }).waitFor();
  expect(streams).toHaveLength(1);
});

test('a second page hears what came between its making and its listening', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await page.goto(`${origin}/ui/approvals`);
  await create(app, 'heard', callers.agent);
  await page.getByText('heard', { exact: true }).waitFor();
  const second = await page.context().newPage();
  await second.route('**/assets/page.js*', async (route) => {
    await create(app, 'between', callers.agent);
    await page.getByText('between', { exact: true }).waitFor();
    await route.continue();
  });
  await second.goto(`${origin}/ui/approvals`);
  await second.getByText('between', { exact: true }).waitFor();
});

test('an approval that was decided elsewhere leads to its task, and a session that ended to the sign-in', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  const { binding } = await create(app, 'one');
  await page.goto(`${origin}/ui/approvals/one`);
  await page.getByLabel(/^Type/).fill('on');
  await app.call(acknowledge, { task_id: 'one', actor_id: 'me', binding });
  await page.waitForURL('**/ui/tasks/one');
  await page.context().clearCookies();
  await app.call(cancelTask, { task_id: 'one' });
  await page.waitForURL('**/ui/sign-in?to=*');
});

test('a log comes live with its colours, is searched, held and let go', async () => {
  const { app, page, origin } = await visit({
    files: {
      ...helloHome,
      'execution/hello.sh':
        'printf "\\033[32mgreen\\033[0m begin\\n"\nuntil [ -e go ]; do sleep 0.05; done\necho "later <b>line</b>"\n',
    },
  });
  await begin(app, 'long');
  await page.goto(`${origin}/ui/tasks/long`);
  await page.locator('.ansi-green', { hasText: 'green' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  app.write({ go: '' });
  await app.until('long', 'succeeded');
  await page.getByText(/^\d+ lines? new$/).waitFor();
  expect(await page.getByText('later <b>line</b>').count()).toBe(0);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('later <b>line</b>').waitFor();
  await page.getByRole('searchbox').fill('LATER');
  await page.getByText('1 line found').waitFor();
  expect(await page.locator('.log .line:visible').count()).toBe(1);
  await page.locator('#state .status-succeeded').waitFor();
});

test('a log in the background gives its connection back, and catches up when it is looked at again', async () => {
  const { app, page, origin } = await visit({
    files: {
      ...helloHome,
      'execution/hello.sh': 'echo begun\nuntil [ -e go ]; do sleep 0.05; done\necho "and done"\n',
    },
  });
  await begin(app, 'long');
  await page.goto(`${origin}/ui/tasks/long`);
  await page.locator('.log .chunk').getByText('begun').waitFor();
  const look = (hidden: boolean) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const ended = page.waitForEvent('requestfailed', (request) => request.url().includes('/log'));
  await look(true);
  await ended;
  app.write({ go: '' });
  await app.until('long', 'succeeded');
  expect(await page.locator('.log').getByText('and done').count()).toBe(0);
  await look(false);
  await page.locator('.log').getByText('and done').waitFor();
  expect(await page.locator('.log').getByText('begun').count()).toBe(1);
});

test('a log of 1 MiB is there whole, and costs the browser only the part in sight', async () => {
  const lines = 9000;
  const { app, page, origin } = await visit({
    files: {
      ...helloHome,
      'execution/hello.sh': `seq -f $'\\e[32mok\\e[0m \\e[1mstep %05g\\e[0m of a \\e[33mlog\\e[0m that is as long as a megabyte, more or less, or so it seems to be' ${lines}\n`,
    },
  });
  await begin(app, 'big');
  await app.until('big', 'succeeded');
  await page.goto(`${origin}/ui/tasks/big`);
  const line = (text: string) => page.locator('.log .line', { hasText: text });
  const [follow, search] = [page.getByRole('button', { name: 'Follow' }), page.getByRole('searchbox')];
  await page.waitForFunction((count) => document.querySelectorAll('.log .line').length >= count, lines);
  await page.waitForFunction(() => {
    const log = document.querySelector('.log');
    return log !== null && log.scrollTop > 0 && log.scrollHeight - log.clientHeight - log.scrollTop < 4;
  });

  const chunks = await page.evaluate(() =>
    [...document.querySelectorAll('.log .chunk')].map((chunk) => ({
      lines: chunk.childElementCount,
      drawn: chunk.firstElementChild?.checkVisibility({ contentVisibilityAuto: true }) === true,
    })),
  );
  expect(Math.max(...chunks.map((chunk) => chunk.lines))).toBeLessThanOrEqual(50);
  expect(chunks.filter(({ drawn }) => drawn).length).toBeLessThan(12);

  await page.locator('.log').press('PageUp');
  expect(await follow.getAttribute('aria-pressed')).toBe('false');
  await line('step 00001 ').scrollIntoViewIfNeeded();
  expect(await line('step 00001 ').isVisible()).toBe(true);
  await page.locator('.log').press('End');
  await page.waitForFunction(() => document.querySelector('[data-log-follow][aria-pressed=true]') !== null);

  await search.fill('STEP 0450');
  await page.getByText('10 lines found').waitFor();
  expect(await page.locator('.log .line:visible').count()).toBe(10);
  await search.fill('');
  await line('step 09000').scrollIntoViewIfNeeded();
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download the whole log' }).click(),
  ]);
  expect(download.suggestedFilename()).toBe('big.log');
});

test('a log of more lines than a page can hold says what it left out', async () => {
  const { app, page, origin } = await visit({ files: { ...helloHome, 'execution/hello.sh': 'seq 60000\n' } });
  await begin(app, 'many');
  await app.until('many', 'succeeded');
  await page.goto(`${origin}/ui/tasks/many`);
  await page.getByText(/^the first \d+ lines only in the download$/).waitFor();
  await page.locator('.log .line', { hasText: '60000' }).waitFor();
  expect(await page.locator('.log .chunk').count()).toBe(1000);
});
