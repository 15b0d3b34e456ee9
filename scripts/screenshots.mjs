// Photographs the page for the README: a real `doe serve` on a temporary home, a real Chromium. Needs `npm run build` and Chromium.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const option = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at === -1 ? otherwise : process.argv[at + 1];
};
const doe = option('--doe', join(root, 'dist', 'command', 'index.js'));
const images = option('--out', join(root, 'docs', 'images'));
const colorScheme = option('--scheme', 'light');
const width = Number(option('--width', '1200'));

const home = mkdtempSync(join(tmpdir(), 'doe-screenshots-'));
const key = 'an-operator-key-for-the-screenshots-0001';
const secondKey = 'an-operator-key-for-the-screenshots-0002';
const agentKey = 'an-agent-key-for-the-screenshots-00000001';

const files = {
  'directives/import-site.md': `---
title: Import a site archive
version: 3
owner: operations
questions: ["Which backup can undo this?"]
retry: { count: 2, backoff_ms: 1000 }
timeout: 10m
payload:
  type: object
  required: [archive, site]
  properties: { archive: { type: string }, site: { type: string }, pages: { type: integer } }
---
# Import a site archive

Unpacks the archive of a site and puts it where the deploy looks for it.

1. **Check** that the archive holds an \`index.html\` at its top.
2. Unpack it into \`sites/<site>\`; what was there before is kept.
3. Count the pages and write them down as the result.

| when | then |
|---|---|
| the archive is broken | stop, nothing is touched |
| a page has no title | import it and name it in the log |
`,
  'execution/import_site.py': `"""Unpacks a site's archive; see directives/import-site.md."""
import json
import sys
import time

task_id, token, payload = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


def main() -> int:
    print(f"\\033[1mImporting\\033[0m {payload['archive']} for {payload['site']}")
    for page in range(1, payload.get("pages", 8) + 1):
        percent = round(page / payload.get("pages", 8) * 100)
        print(f"::progress:: {percent} page {page}")
        print(f"\\033[32mok\\033[0m   page-{page:02}.html", flush=True)
        time.sleep(0.01)
    if payload["site"] == "broken":
        print("\\033[31merror\\033[0m the archive ends in the middle of page-09.html", file=sys.stderr)
        return 1
    print("\\033[33mwarn\\033[0m page-03.html has no title")
    return 0


sys.exit(main())
`,
  'directives/nightly-report.md': '---\ntitle: Nightly report\n---\n# Nightly report\n\nCounts what the day brought.\n',
  'execution/nightly_report.sh':
    'for part in orders refunds visits; do echo "counted $part"; sleep "$1_unused" 2>/dev/null || true; done\n',
  'directives/retire-site.md':
    '---\ntitle: Retire a site\nscript: import_site.py\nquorum: 2\nsecrets: [NETLIFY_AUTH_TOKEN]\n---\n# Retire a site\n\nTakes a site down for good.\n',
  'directives/style-guide.md': '# Style guide\n\nA reference for whoever writes directives.\n',
};
for (const [path, text] of Object.entries(files)) {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
}

const server = spawn(process.execPath, [doe, 'serve', '--home', home], {
  env: {
    PATH: process.env.PATH,
    HOME: home,
    PORT: '0',
    MCP_API_KEY: `operator:${key},deputy:${secondKey}`,
    MCP_AGENT_KEY: agentKey,
  },
  stdio: ['ignore', 'ignore', 'pipe'],
});
const lines = createInterface({ input: server.stderr });
const address = await new Promise((resolve, reject) => {
  server.once('exit', (code) => reject(new Error(`doe serve ended with ${code}`)));
  lines.on('line', (line) => {
    const { event, ...fields } = JSON.parse(line);
    if (event === 'serve.ready') resolve(fields.address);
  });
});

async function call(path, body, as = key) {
  const answer = await fetch(address + path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'X-API-Key': as, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const json = await answer.json();
  if (!json.ok) throw new Error(`${path}: ${json.error}`);
  return json;
}

const create = (task_type, project_id, task_id, payload_json = {}) =>
  call('/tasks', { task_type, project_id, task_id, actor_id: 'agent', payload_json }, agentKey);
const approve = (task_id, answers_json, [person, as] = ['operator', key]) =>
  call('/mcp/acknowledge', { task_id, actor_id: person, ...(answers_json ? { answers_json } : {}) }, as);

async function settled(taskId) {
  for (;;) {
    const { task } = await call(`/tasks/${taskId}/status?wait_seconds=20`);
    if (!['awaiting_ack', 'queued', 'running'].includes(task.status)) return;
  }
}

async function tellAStory() {
  for (const [project, site, pages] of [
    ['acme', 'www', 24],
    ['acme', 'docs', 12],
    ['globex', 'shop', 18],
  ]) {
    const id = `import-${site}`;
    await create('import-site', project, id, { archive: `${site}.zip`, site, pages });
    await approve(id, ['The one of last night']);
    await settled(id);
  }
  await create('nightly-report', 'acme', 'report-monday');
  await approve('report-monday');
  await settled('report-monday');
  writeFileSync(
    join(home, 'directives/import-site.md'),
    files['directives/import-site.md']
      .replace('version: 3', 'version: 4')
      .replace('what was there before is kept.', 'what was there before is **deleted**.')
      .replace('retry: { count: 2, backoff_ms: 1000 }', 'retry: { count: 0 }'),
  );
  await create('import-site', 'initech', 'import-broken', { archive: 'broken.zip', site: 'broken', pages: 8 });
  await approve('import-broken', ['None'], ['deputy', secondKey]);
  await settled('import-broken');
  writeFileSync(
    join(home, 'execution/import_site.py'),
    files['execution/import_site.py']
      .replace(
        '    return 0\n',
        '    shutil.rmtree(f"sites/{payload[\'site\']}.before", ignore_errors=True)\n    return 0\n',
      )
      .replace('import json\n', 'import json\nimport shutil\n'),
  );
  await create('import-site', 'acme', 'import-catalogue', { archive: 'catalogue.zip', site: 'catalogue', pages: 1500 });
  await approve('import-catalogue', ['None'], ['deputy', secondKey]);
  await create('import-site', 'globex', 'import-blog', { archive: 'blog-2026-03.zip', site: 'blog', pages: 31 });
  await create('nightly-report', 'globex', 'report-tuesday');
  await create('retire-site', 'initech', 'retire-intranet', { site: 'intranet' });
}

/** Shows the home that the README speaks of, in place of the temporary one. */
function asIfAtHome(folder) {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let text = texts.nextNode(); text !== null; text = texts.nextNode())
    text.data = text.data.replaceAll(folder, '/home/you/doe').replace(/^\/\S+\/python3$/m, '/usr/bin/python3');
}

try {
  await tellAStory();
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  const page = await browser.newPage({ viewport: { width, height: 820 }, colorScheme, deviceScaleFactor: 1.5 });
  const { url } = await call('/ui-codes', {});
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/ui');
  mkdirSync(images, { recursive: true });
  const broken = (await call('/anneals')).anneals[0].aid;
  for (const [name, path] of [
    ['overview', '/ui'],
    ['approvals', '/ui/approvals'],
    ['approval', '/ui/approvals/import-blog'],
    ['task', '/ui/tasks/import-www'],
    ['repair', `/ui/anneals/${broken}`],
  ]) {
    // The diffs of an approval lie further down.
    await page.setViewportSize({ width, height: name === 'approval' ? 1700 : 820 });
    await page.goto(new URL(path, url).href);
    await page.waitForLoadState('load');
    await page.waitForTimeout(400);
    await page.evaluate(asIfAtHome, home);
    await page.screenshot({ path: join(images, `${name}.png`), fullPage: process.argv.includes('--full') });
  }
  await browser.close();
} finally {
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
  rmSync(home, { recursive: true, force: true });
}
