import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { acknowledge, cancelTask, createTask } from '../../src/tools/index.js';
import { helloHome, type TestApp } from '../helpers/test-app.js';
import { useBrowser, type Visit, visit } from './browser.js';

useBrowser();

interface Violation {
  id: string;
  impact: string;
  nodes: { target: string[]; failureSummary: string }[];
}

/** axe-core is handed in past the page's own policy, which would refuse the styles that it tries things with. */
async function seriousFaults(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run()')) as { violations: Violation[] };
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id} ${target.join(' ')}: ${failureSummary}`),
    );
}

const files = {
  ...helloHome,
  'directives/hello.md':
    '---\ntitle: Say hello\nquestions: ["Why?"]\nsecrets: [NETLIFY_AUTH_TOKEN]\npayload: { type: object, properties: { a: { type: string }, b: { type: boolean } } }\n---\n# Hello\n\n| a | b |\n|---|---|\n| `c` | [d](https://example.com) |\n',
  'directives/bad.md': '---\nnope: 1\n---\n',
  'directives/style.md': '# Style\n\nFor who writes.\n',
  'directives/both.md': '---\nscript: hello.sh\nquorum: 2\napprovers: [jo, tom]\nsandbox: bwrap\n---\nFor two.\n',
  'execution/fail.py': 'import sys\n# Fails always\nprint("\\033[33mwarn\\033[0m", file=sys.stderr)\nsys.exit(1)\n',
  'directives/fail.md': '---\n---\nFails.\n',
  'execution/slow.sh': 'echo "::progress:: 40 at work"\necho begun\nuntil [ -e go ]; do sleep 0.05; done\n',
  'directives/slow.md': '---\n---\nTakes long.\n',
};

const longId = `t-${'x'.repeat(120)}`;

/** One home with something on every page; answers the paths of all of them. */
async function story(app: TestApp): Promise<string[]> {
  const made = (task_type: string, task_id: string, a = 'x'.repeat(200)) =>
    app.call(createTask, { task_type, project_id: 'p1', actor_id: 'a'.repeat(100), task_id, payload_json: { a } });
  const approved = async (task_type: string, task_id: string, answers_json: string[] = []) => {
    const { binding } = await made(task_type, task_id);
    await app.call(acknowledge, { task_id, actor_id: 'me', binding, answers_json });
  };
  const by = { actorId: 'jo', principal: 'operator', channel: 'page', keyId: 'op' } as const;
  const passkey = {
    owner: 'jo',
    rpId: 'doe.localhost',
    publicKey: 'AAAA',
    counter: 0,
    transports: [],
    vouchedBy: null,
  };
  await app.dispatcher.store.people.addCredential({ ...passkey, id: 'a-credential-in-a-device' }, by);
  await approved('hello', 'done', ['Because']);
  await app.until('done', 'succeeded');
  app.write({ 'execution/fail.py': 'print("fine")\n' });
  await approved('fail', 'went-well');
  await app.until('went-well', 'succeeded');
  app.write({ 'execution/fail.py': files['execution/fail.py'] });
  await approved('fail', 'broken');
  const { aid } = await app.until('broken', 'needs_anneal');
  await approved('fail', longId);
  await app.until(longId, 'needs_anneal');
  await approved('slow', 'runs');
  await app.until('runs', 'running');
  await made('slow', 'changed');
  await made('both', 'for-two');
  app.write({
    'execution/hello.sh': `${helloHome['execution/hello.sh']}# a very long line ${'that goes on '.repeat(30)}\n`,
    'directives/hello.md': files['directives/hello.md'].replace('# Hello', '# Hello again'),
    'directives/slow.md': '---\n---\nTakes very long.\n',
  });
  await made('hello', 'waits', 'y'.repeat(300));
  await made('hello', 'given-up');
  await app.call(cancelTask, { task_id: 'given-up' });
  const revisions = await app.dispatcher.store.ledger.revisions('hello');
  return [
    '/ui',
    '/ui/approvals',
    '/ui/approvals/waits',
    '/ui/approvals/changed',
    '/ui/approvals/for-two',
    '/ui/tasks',
    '/ui/tasks?status=failed',
    ...['done', 'broken', 'runs', 'waits', 'given-up', longId].map((id) => `/ui/tasks/${id}`),
    '/ui/directives',
    '/ui/directives/hello',
    `/ui/directives/hello?against=${revisions.at(-1)?.sha256}`,
    '/ui/directives/bad',
    '/ui/directives/style',
    '/ui/anneals',
    `/ui/anneals/${aid}`,
    '/ui/audit',
    '/ui/trust',
    '/ui/passkeys',
    '/ui/nothing-here',
    '/ui/sign-in?code=x',
  ];
}

/** Every page that there is, one after the other: those of the paths, those that a form leads to, and those before the sign-in. */
async function* everyPage({ app, page, origin }: Visit): AsyncGenerator<string> {
  for (const path of await story(app)) {
    await page.goto(origin + path);
    yield path;
  }
  await page.goto(`${origin}/ui/audit`);
  await page.getByRole('button', { name: 'Verify the whole trail' }).click();
  await page.getByRole('heading', { name: /^The trail/ }).waitFor();
  yield 'the report on the trail';
  await page.goto(`${origin}/ui/approvals/waits`);
  await page.getByLabel('Why?').fill('Because');
  await page.getByLabel(/^Type/).fill('no');
  await page.getByRole('button', { name: 'Approve', exact: true }).click();
  await page.getByRole('alert').getByText('What was typed').waitFor();
  yield 'a refused approval';
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/ui/sign-in');
  yield 'the sign-in';
  await page.getByLabel('Operator key').fill('wrong');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').getByText('no operator key').waitFor();
  yield 'a refused sign-in';
  app.write({ go: '' });
  await app.until('runs', 'succeeded');
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no page has a serious accessibility fault, ${colorScheme}, with everything unfolded`, async () => {
    const seen = await visit({ files }, { colorScheme, bypassCSP: true });
    for await (const name of everyPage(seen)) {
      await seen.page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      expect(await seriousFaults(seen.page), name).toEqual([]);
    }
  });
}

test('every page fits a window 360 pixels wide without scrolling sideways', async () => {
  const seen = await visit({ files }, { viewport: { width: 360, height: 740 } });
  for await (const name of everyPage(seen)) {
    const overflow = await seen.page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
      return document.documentElement.scrollWidth - document.documentElement.clientWidth;
    });
    expect(overflow, name).toBeLessThanOrEqual(0);
  }
});
