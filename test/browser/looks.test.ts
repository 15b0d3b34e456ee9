import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { acknowledge, createTask } from '../../src/tools/index.js';
import { helloHome, type TestApp } from '../helpers/test-app.js';
import { useBrowser, visit } from './browser.js';

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
  'execution/fail.py': 'import sys\n# Fails always\nprint("\\033[33mwarn\\033[0m", file=sys.stderr)\nsys.exit(1)\n',
  'directives/fail.md': '---\n---\nFails.\n',
};

async function story(app: TestApp): Promise<string[]> {
  const approved = async (task_type: string, task_id: string, answers_json: string[] = []) => {
    const { binding } = await app.call(createTask, {
      task_type,
      project_id: 'p1',
      actor_id: 'me',
      task_id,
      payload_json: { a: 'x'.repeat(200) },
    });
    await app.call(acknowledge, { task_id, actor_id: 'me', binding, answers_json });
  };
  await approved('hello', 'done', ['Because']);
  await app.until('done', 'succeeded');
  await approved('fail', 'broken');
  const { aid } = await app.until('broken', 'needs_anneal');
  app.write({
    'execution/hello.sh': `${helloHome['execution/hello.sh']}# a very long line ${'that goes on '.repeat(30)}\n`,
  });
  await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'me',
    task_id: 'waits',
    payload_json: { a: 'y'.repeat(300) },
  });
  return [
    '/ui',
    '/ui/approvals',
    '/ui/approvals/waits',
    '/ui/tasks',
    '/ui/tasks/done',
    '/ui/tasks/broken',
    '/ui/directives',
    '/ui/directives/hello',
    '/ui/directives/bad',
    '/ui/anneals',
    `/ui/anneals/${aid}`,
    '/ui/audit',
    '/ui/trust',
    '/ui/passkeys',
    '/ui/nothing-here',
    '/ui/sign-in?code=x',
  ];
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`no page has a serious accessibility fault, ${colorScheme}, with everything unfolded`, async () => {
    const { app, page, origin } = await visit({ files }, { colorScheme, bypassCSP: true });
    for (const path of await story(app)) {
      await page.goto(origin + path);
      await page.evaluate(() => {
        for (const details of document.querySelectorAll('details')) details.open = true;
      });
      expect(await seriousFaults(page), path).toEqual([]);
    }
  });
}

test('every page fits a window 360 pixels wide without scrolling sideways', async () => {
  const { app, page, origin } = await visit({ files }, { viewport: { width: 360, height: 740 } });
  for (const path of await story(app)) {
    await page.goto(origin + path);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, path).toBeLessThanOrEqual(0);
  }
});
