import { expect, test } from 'vitest';
import { createTask } from '../../src/tools/index.js';
import { callers, helloHome, type TestApp } from '../helpers/test-app.js';
import { openPage, signIn, useBrowser, visit } from './browser.js';

useBrowser();

const waiting = (app: TestApp, task_id: string) =>
  app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'model', task_id }, callers.agent);

test('the whole approval goes by the keyboard alone', async () => {
  const { app, page, origin } = await visit();
  await waiting(app, 'first');
  await waiting(app, 'second');
  await page.goto(`${origin}/ui/approvals`);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('k');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui/approvals/second');
  await page.keyboard.press('a');
  await page.keyboard.type('second');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui/tasks/second');
  await page.locator('#state .status-succeeded').waitFor();
  await page.getByText('hello p1').waitFor();
  expect((await app.dispatcher.store.tasks.get('first'))?.status).toBe('awaiting_ack');
});

test('a task is refused with a reason by the keyboard alone', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await waiting(app, 'first');
  await page.goto(`${origin}/ui/approvals/first`);
  await page.keyboard.press('r');
  await page.keyboard.type('Not today');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui/tasks/first');
  expect(await app.dispatcher.store.tasks.get('first')).toMatchObject({
    status: 'cancelled',
    statusReason: 'Not today',
  });
});

test('a wrong id is refused, says so, and approves nothing', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await waiting(app, 'first');
  await page.goto(`${origin}/ui/approvals/first`);
  await page.getByLabel(/^Type/).fill('firs');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('alert').getByText('What was typed is not the task’s id').waitFor();
  expect((await app.dispatcher.store.tasks.get('first'))?.status).toBe('awaiting_ack');
});

test('reading and deciding work without any script', async () => {
  const { app, page, origin } = await visit({ noWorker: true }, { javaScriptEnabled: false });
  await waiting(app, 'first');
  await page.goto(`${origin}/ui/approvals`);
  await page.getByRole('link', { name: /first/ }).click();
  await page.getByLabel(/^Type/).fill('first');
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.waitForURL('**/ui/tasks/first');
  expect((await app.dispatcher.store.tasks.get('first'))?.status).toBe('queued');
  // What only a script can do is not offered.
  expect(await page.getByRole('searchbox').isVisible()).toBe(false);
});

test('what a directive and a script brought since the last approval is marked', async () => {
  const { app, page, origin } = await visit();
  await waiting(app, 'first');
  await page.goto(`${origin}/ui/approvals/first`);
  await page.getByLabel(/^Type/).fill('first');
  await page.getByRole('button', { name: 'Approve' }).click();
  await app.until('first', 'succeeded');
  app.write({
    'directives/hello.md': (helloHome['directives/hello.md'] ?? '').replace('Says hello', 'Says farewell'),
    'execution/hello.sh': `${helloHome['execution/hello.sh']}echo and more\n`,
  });
  await waiting(app, 'second');
  await page.goto(`${origin}/ui/approvals/second`);
  await page.locator('ins', { hasText: 'farewell' }).waitFor();
  await page.locator('.line-diff .added', { hasText: 'echo and more' }).waitFor();
});

test('hostile Markdown, HTML and script text run nothing and load nothing', async () => {
  const { app, page, origin } = await visit({
    noWorker: true,
    files: {
      ...helloHome,
      'directives/hello.md':
        '---\ntitle: "<script>window.hit=1</script>"\n---\n<script>window.hit=1</script>\n<img src="/ui/pause" onerror="window.hit=1">\n<iframe srcdoc="<script>top.hit=1</script>"></iframe>\n\n[x](javascript:window.hit=1)\n\n![y](https://evil.example/z.png)\n',
      'execution/hello.sh': 'echo "</code></pre><script>window.hit=1</script>"\n',
    },
  });
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await waiting(app, 'first');
  await page.goto(`${origin}/ui/approvals/first`);
  await page.waitForLoadState('load');
  expect(await page.evaluate('window.hit')).toBeUndefined();
  expect(await page.locator('main iframe, main script, main img, main a[href^="javascript"]').count()).toBe(0);
  expect(asked.filter((url) => !url.startsWith(origin))).toEqual([]);
});

test('another page open in the same browser can neither frame this one nor send its forms', async () => {
  const { app, page, origin } = await visit({ noWorker: true }, {}, /frame-ancestors|status of 4\d\d/);
  await waiting(app, 'first');
  const port = new URL(origin).port;
  // A page of the same machine under another name: the same site for cookies, another origin.
  await page.goto(`http://127.0.0.1:${port}/health`);
  const framed = page.waitForEvent('framenavigated', (frame) => frame !== page.mainFrame());
  await page.evaluate((url) => {
    const frame = document.createElement('iframe');
    frame.src = url;
    document.body.append(frame);
  }, `${origin}/ui/approvals`);
  expect((await framed).url()).toBe('chrome-error://chromewebdata/');
  const answer = page.waitForResponse((response) => response.url().endsWith('/reject'));
  await page.evaluate((url) => {
    const form = document.createElement('form');
    form.method = 'post';
    form.action = url;
    document.body.append(form);
    form.submit();
  }, `${origin}/ui/approvals/first/reject`);
  expect((await answer).status()).toBe(403);
  expect((await app.dispatcher.store.tasks.get('first'))?.status).toBe('awaiting_ack');
});

test('a person signs in, out, and is out', async () => {
  const { app, page, origin } = await visit({ noWorker: true });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/ui/sign-in');
  await page.goto(`${origin}/ui/approvals`);
  await page.waitForURL('**/ui/sign-in?to=*');
  await page.getByLabel('Operator key').fill('operator-key-for-tests-0123456789abcdef');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/ui/approvals');
  const other = await openPage();
  await signIn(other, app);
  await other.getByText('Overview').first().waitFor();
});
