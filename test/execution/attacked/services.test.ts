// The scripts that call a service through the dispatcher: what they send, and what they do when it is refused.
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder, writeFiles } from '../../helpers/test-app.js';
import { type BridgeOptions, makeHome, runKey, runScript, shipped, startBridge, token } from '../bridge.js';

/** Runs a shipped script in a home with these files, against a bridge with this integration. */
async function play(
  name: string,
  files: Record<string, string>,
  payload: Record<string, unknown>,
  integration: BridgeOptions['integration'] = () => ({ body: { ok: true, result: {} } }),
) {
  const home = makeHome();
  writeFiles(home, files);
  const bridge = await startBridge({ integration: (path, input) => integration(path, { ...input, home }) });
  const run = await runScript(join(shipped, name), { home, mcpUrl: bridge.url, payload });
  expect(run.stdout + run.stderr).not.toContain(token);
  expect(run.stdout + run.stderr).not.toContain(runKey);
  return { ...run, home, calls: bridge.integrationCalls() };
}

const upstreamFault: BridgeOptions['integration'] = () => ({
  status: 502,
  body: { ok: false, code: 'upstream', error: 'The service said 500.', hint: 'Try later.' },
});

describe('deploy_project.py', () => {
  const project = {
    'project/index.html': 'source',
    'project/assets/site.css': 'h1 {}',
    'project/.env': 'KEY=secret',
    'project/.git/config': 'x',
    'project/.well-known/security.txt': 'x',
    'project/node_modules/x/index.js': 'x',
  };
  const answer = { deploy_id: 'd1', url: 'https://d1--client1.example', state: 'ready', uploaded: 2 };
  let seen: Record<string, string> = {};
  /** Answers as Netlify's integration does, and remembers the files of the folder that it was given. */
  const netlify: BridgeOptions['integration'] = (_path, { home, dir }) => {
    const folder = join(String(home), String(dir));
    const names = (readdirSync(folder, { recursive: true, withFileTypes: true }) as import('node:fs').Dirent[])
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    seen = Object.fromEntries(names.map((name) => [name.slice(folder.length + 1), readFileSync(name, 'utf8')]));
    return { body: { ok: true, result: answer } };
  };
  const deploy = (payload: Record<string, unknown>, files: Record<string, string> = project) => {
    seen = {};
    return play('deploy_project.py', files, { project_dir: 'project', site: 'client1', ...payload }, netlify);
  };

  test('packs the folder without what is nobody’s business, deploys it, and cleans up', async () => {
    const { code, stderr, result, calls, home } = await deploy({ draft: true, message: 'New prices' });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(result).toEqual({ ...answer, files: 3, bytes: 12 });
    expect(calls).toEqual([
      {
        path: '/integrations/netlify/deploy',
        input: { site: 'client1', dir: 'builds/T1/site', draft: true, message: 'New prices' },
      },
    ]);
    expect(seen).toEqual({ 'index.html': 'source', 'assets/site.css': 'h1 {}', '.well-known/security.txt': 'x' });
    expect(readdirSync(home).sort()).toEqual(['directives', 'execution', 'project']);
  });

  const builder = `const { mkdirSync, writeFileSync } = require('node:fs');
mkdirSync('dist');
writeFileSync('dist/index.html', JSON.stringify(process.argv.slice(2)));
writeFileSync('dist/env.json', JSON.stringify(Object.keys(process.env)));
console.log('built');`;
  const built = { ...project, 'project/build.js': builder };

  test('builds in a copy first, without a shell and without the run’s keys', async () => {
    const build_command = [process.execPath, 'build.js', '$HOME', '; touch /tmp/x'];
    const { code, stdout, home } = await deploy({ build_command, publish_dir: 'dist' }, built);
    expect(code).toBe(0);
    expect(stdout).toContain('built');
    expect(seen['index.html']).toBe('["$HOME","; touch /tmp/x"]');
    const given = JSON.parse(seen['env.json'] ?? '') as string[];
    expect(given).toContain('PATH');
    expect(given.filter((name) => ['MCP_URL', 'DOE_RUN_KEY', 'DOE_RESULT_FILE'].includes(name))).toEqual([]);
    expect(existsSync(join(home, 'project/dist'))).toBe(false);
    expect(existsSync(join(home, 'builds'))).toBe(false);
  });

  test.each([
    ['a build that fails', { build_command: [process.execPath, '-e', 'process.exit(3)'] }, /failed with exit code 3/],
    ['a build command that is not there', { build_command: ['no-such-program'] }, /'no-such-program' was not found/],
    ['a folder that the build did not make', { publish_dir: 'dist' }, /publish_dir 'dist' is not a folder/],
    ['a folder outside of the project', { publish_dir: '../directives' }, /leads out of project/],
    ['an absolute folder', { publish_dir: '/etc' }, /named relative/],
    ['a project outside of the home', { project_dir: '../..' }, /leads out of/],
    ['the home itself', { project_dir: '.' }, /neither the home itself nor builds/],
    ['an empty folder', { project_dir: 'empty' }, /no files to deploy/],
    ['scripts', { project_dir: 'execution' }, /must not lie in directives, execution/],
    ['a repair bundle', { project_dir: 'anneal-tasks/a' }, /must not lie in/],
    ['a hidden folder', { project_dir: '.hidden/site' }, /is hidden/],
    ['a hidden folder of the project', { publish_dir: '.git' }, /is hidden/],
  ])('%s: nothing is deployed, nothing is left', async (_what, payload, why) => {
    const more = { 'empty/.keep': '', '.hidden/site/index.html': 'x', 'anneal-tasks/a/log.txt': 'x' };
    const { code, stderr, calls, home, result } = await deploy(payload, { ...project, ...more });
    expect(stderr).toMatch(why);
    expect(stderr).toContain('Nothing was deployed.');
    expect({ code, calls, result }).toEqual({ code: 1, calls: [], result: undefined });
    expect(existsSync(join(home, 'builds'))).toBe(false);
  });

  test.each([
    ['what decides what runs', 'site', 'directives', { project_dir: 'site' }, /must not lie in directives/],
    ['what is hidden', 'project/shown', '.git', { publish_dir: 'shown' }, /is hidden/],
  ])('a link to %s makes it no project', async (_what, link, target, more, why) => {
    const home = makeHome();
    writeFiles(home, project);
    symlinkSync(target, join(home, link));
    const bridge = await startBridge({ integration: netlify });
    const payload = { project_dir: 'project', site: 'client1', ...more };
    const { stderr } = await runScript(join(shipped, 'deploy_project.py'), { home, mcpUrl: bridge.url, payload });
    expect(stderr).toMatch(why);
    expect(bridge.integrationCalls()).toEqual([]);
  });

  test('a link is not published, wherever it leads', async () => {
    const home = makeHome();
    writeFiles(home, project);
    symlinkSync('.env', join(home, 'project/settings.txt'));
    const bridge = await startBridge({ integration: netlify });
    const payload = { project_dir: 'project', site: 'client1' };
    const { stderr } = await runScript(join(shipped, 'deploy_project.py'), { home, mcpUrl: bridge.url, payload });
    expect(stderr).toMatch(/'settings\.txt' is a link/);
    expect(bridge.integrationCalls()).toEqual([]);
  });

  test('a builds/ that is a link is neither followed nor emptied', async () => {
    const outside = temporaryFolder();
    writeFiles(outside, { 'T1/precious': 'x' });
    const home = makeHome();
    writeFiles(home, project);
    symlinkSync(outside, join(home, 'builds'));
    const bridge = await startBridge({ integration: netlify });
    const payload = { project_dir: 'project', site: 'client1' };
    const { stderr } = await runScript(join(shipped, 'deploy_project.py'), { home, mcpUrl: bridge.url, payload });
    expect(stderr).toMatch(/builds\/ is a link/);
    expect(existsSync(join(outside, 'T1/precious'))).toBe(true);
  });

  test('what a killed attempt left is not deployed', async () => {
    const { result } = await deploy({}, { ...project, 'builds/T1/site/stale.html': 'x', 'builds/T1/project/x': 'x' });
    expect(result).toMatchObject({ files: 3 });
    expect(Object.keys(seen)).not.toContain('stale.html');
  });

  test('cancelled while building: the build ends and nothing is left', async () => {
    const build_command = [process.execPath, '-e', 'process.kill(process.ppid); setInterval(() => {}, 1000)'];
    const { code, calls, home } = await deploy({ build_command });
    expect({ code, calls }).toEqual({ code: 143, calls: [] });
    expect(existsSync(join(home, 'builds'))).toBe(false);
  });

  test('what Netlify refuses fails the run with its reason', async () => {
    const payload = { project_dir: 'project', site: 'client1' };
    const { code, stderr, home } = await play('deploy_project.py', project, payload, upstreamFault);
    expect(code).toBe(1);
    expect(stderr).toContain('upstream: The service said 500. Try later.');
    expect(existsSync(join(home, 'builds'))).toBe(false);
  });
});

describe('sync_leads_airtable.py', () => {
  const payload = { csv: 'leads.csv', table: 'Leads', fields_to_merge_on: ['Email'] };
  const airtable: BridgeOptions['integration'] = (_path, { records }) => ({
    body: { ok: true, result: { created: 1, updated: (records as unknown[]).length - 1 } },
  });
  const sync = (csv: string, more: Record<string, unknown> = {}) =>
    play('sync_leads_airtable.py', { 'leads.csv': csv }, { ...payload, ...more }, airtable);

  test('sends every row as a record, without its empty cells, and counts', async () => {
    const csv = '\uFEFFe-mail,Name,Note\r\na@x.example,"Ada, Countess",\r\nb@x.example,Béla,"two\nlines"\r\n';
    const { code, stderr, result, calls } = await sync(csv, { columns: { 'e-mail': 'Email' } });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(calls).toEqual([
      {
        path: '/integrations/airtable/upsert',
        input: {
          table: 'Leads',
          fields_to_merge_on: ['Email'],
          typecast: true,
          records: [
            { fields: { Email: 'a@x.example', Name: 'Ada, Countess' } },
            { fields: { Email: 'b@x.example', Name: 'Béla', Note: 'two\nlines' } },
          ],
        },
      },
    ]);
    expect(result).toEqual({ table: 'Leads', rows: 2, created: 1, updated: 1 });
  });

  test('a long file goes in parts that a call can take, with progress', async () => {
    const row = (index: number) => `${index}@x.example,${'x'.repeat(index < 150 ? 10 : 20_000)}`;
    const csv = ['Email,Note', ...Array.from({ length: 170 }, (_, index) => row(index))].join('\n');
    const { result, calls, stdout } = await sync(csv);
    const sent = calls.map(({ input }) => (input as { records: unknown[] }).records);
    expect(sent.map(({ length }) => length)).toEqual([100, 62, 8]);
    expect(result).toMatchObject({ rows: 170, created: 3, updated: 167 });
    expect(stdout).toContain('::progress:: 59 100 of 170 rows');
  });

  test.each([
    ['no merge field in a row', 'Email,Name\na@x.example,Ada\n,Béla\n', /row 2 has no 'Email'/],
    ['no such column at all', 'Name\nAda\n', /row 1 has no 'Email'/],
    ['the same lead twice', 'Email\na@x.example\nb@x.example\na@x.example\n', /rows 1 and 3 have the same Email/],
    ['a cell too many', 'Email,Name\na@x.example,Ada,Countess\n', /line 2 has not 2 cells/],
    ['a cell too few', 'Email,Name\na@x.example\n', /line 2 has not 2 cells/],
    ['a column twice', 'Email,Email\na@x.example,b\n', /two of its columns are one field/],
    ['an open quote', 'Email\n"a@x.example\n', /unexpected end of data/],
    ['no rows', 'Email\n', /it has no rows/],
    ['nothing', '', /it has no rows/],
  ])('%s: nothing is sent', async (_what, csv, why) => {
    const { code, stderr, calls, result } = await sync(csv);
    expect(stderr).toMatch(why);
    expect(stderr).toContain('Nothing was sent.');
    expect({ code, calls, result }).toEqual({ code: 1, calls: [], result: undefined });
  });

  test('a column that is to be renamed must be there', async () => {
    const { stderr } = await sync('Email\na@x.example\n', { columns: { 'e-mail': 'Email' } });
    expect(stderr).toMatch(/no column 'e-mail'; its columns are Email/);
  });

  test('when it stops halfway it says how far it came', async () => {
    const csv = ['Email', ...Array.from({ length: 150 }, (_, index) => `${index}@x.example`)].join('\n');
    let calls = 0;
    const { code, stderr } = await play('sync_leads_airtable.py', { 'leads.csv': csv }, payload, (path, input) =>
      ++calls === 1 ? airtable(path, input) : upstreamFault(path, input),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/100 of 150 rows were taken, then it stopped: upstream/);
  });
});

describe('trigger_workflow.mjs', () => {
  test('hands over data and method, and keeps the answer', async () => {
    const payload = { data: { client: 'client1' }, method: 'GET' };
    const started = { status: 200, body: { started: true } };
    const answer = () => ({ body: { ok: true, result: started } });
    const { code, result, calls } = await play('trigger_workflow.mjs', {}, payload, answer);
    expect(code).toBe(0);
    expect(calls).toEqual([{ path: '/integrations/n8n/trigger', input: payload }]);
    expect(result).toEqual(started);
  });

  test('calls by POST without data where nothing is said', async () => {
    const answer = { status: 200, body: null };
    const { result, calls } = await play('trigger_workflow.mjs', {}, {}, () => ({
      body: { ok: true, result: answer },
    }));
    expect(calls[0]?.input).toEqual({ data: {}, method: 'POST' });
    expect(result).toEqual(answer);
  });

  test('an answer that is too long to be read is left out, and the run is none the worse', async () => {
    const body = 'x'.repeat(300_000);
    const { code, result } = await play('trigger_workflow.mjs', {}, { path: 'lead/new' }, () => ({
      body: { ok: true, result: { status: 200, body } },
    }));
    expect(code).toBe(0);
    expect(result).toEqual({ status: 200, left_out: 300_024 });
  });

  test('a refusal fails the run with its reason', async () => {
    const { code, stderr, result } = await play('trigger_workflow.mjs', {}, {}, upstreamFault);
    expect({ code, result }).toEqual({ code: 1, result: undefined });
    expect(stderr).toContain('upstream: The service said 500. Try later.');
  });
});

test.each(['deploy_project.py', 'sync_leads_airtable.py', 'trigger_workflow.mjs', 'failing_example.py'])(
  '%s does nothing with a refused token',
  async (name) => {
    const home = makeHome();
    mkdirSync(join(home, 'project'));
    const bridge = await startBridge({ refuse: { code: 'token_revoked', error: `No ${token}.` } });
    const run = await runScript(join(shipped, name), { home, mcpUrl: bridge.url });
    expect(run).toMatchObject({ code: 1, stdout: '', result: undefined });
    expect(run.stderr).toMatch(/not acknowledged \(token_revoked\)/);
    expect(run.stderr).not.toContain(token);
    expect(bridge.calls).toHaveLength(1);
    expect(readdirSync(home).sort()).toEqual(['directives', 'execution', 'project']);
  },
);
