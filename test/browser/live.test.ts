import { expect, test } from 'vitest';
import { acknowledge, cancelTask, createTask } from '../../src/tools/index.js';
import { callers, createTestApp, helloHome } from '../helpers/test-app.js';
import { useBrowser, visit } from './browser.js';

useBrowser();

test('what waits shows up in the inbox and in the title by itself, whichever process made it', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  const other = await createTestApp({ home: app.home, files: {}, noWorker: true });
  await page.goto(`${origin}/ui/approvals`);
  await page.getByText('Nothing waits for you.').waitFor();
  await other.call(
    createTask,
    { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'elsewhere' },
    callers.agent,
  );
  await page.getByText('elsewhere').waitFor();
  await page.waitForFunction(() => document.title.startsWith('(1) '));
});

test('two open pages of one browser share one stream, and the second goes on when the first closes', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await page.goto(`${origin}/ui/approvals`);
  const second = await page.context().newPage();
  const streams: string[] = [];
  second.on('request', (request) => request.url().includes('/ui/live') && streams.push(request.url()));
  await second.goto(`${origin}/ui/approvals`);
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'one' }, callers.agent);
  await second.getByText('one', { exact: true }).waitFor();
  expect(streams).toEqual([]);
  await page.close();
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'two' }, callers.agent);
  await second.getByText('two', { exact: true }).waitFor();
  expect(streams).toHaveLength(1);
});

test('an approval that was decided elsewhere leads to its task, and a session that ended to the sign-in', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  const { binding } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'me',
    task_id: 'one',
  });
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
  const { binding } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'me',
    task_id: 'long',
  });
  await app.call(acknowledge, { task_id: 'long', actor_id: 'me', binding });
  await page.goto(`${origin}/ui/tasks/long`);
  await page.locator('.ansi-green', { hasText: 'green' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  app.write({ go: '' });
  await app.until('long', 'succeeded');
  await page.getByText(/new lines wait/).waitFor();
  expect(await page.getByText('later <b>line</b>').count()).toBe(0);
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('later <b>line</b>').waitFor();
  await page.getByRole('searchbox').fill('LATER');
  await page.getByText('1 lines').waitFor();
  expect(await page.locator('.log .line:visible').count()).toBe(1);
  await page.locator('#state .status-succeeded').waitFor();
});

test('a log of 1 MiB is shown whole and can be scrolled', async () => {
  const { app, page, origin } = await visit({
    files: {
      ...helloHome,
      'execution/hello.sh':
        "seq -f 'line %05g of a log that is as long as a megabyte, more or less, or so it seems' 12000\n",
    },
  });
  const { binding } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'me',
    task_id: 'big',
  });
  await app.call(acknowledge, { task_id: 'big', actor_id: 'me', binding });
  await app.until('big', 'succeeded');
  await page.goto(`${origin}/ui/tasks/big`);
  await page.waitForFunction(() => document.querySelectorAll('.log .line').length > 12_000);
  await page.locator('.log .line', { hasText: 'line 00001 ' }).scrollIntoViewIfNeeded();
  expect(await page.locator('.log .line', { hasText: 'line 00001 ' }).isVisible()).toBe(true);
});
