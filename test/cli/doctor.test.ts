import { chmodSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as checks from '../../src/cli/check-home.js';
import { loadConfig } from '../../src/config.js';
import { ownSecrets, type Place, place, smallHome } from '../helpers/doe.js';
import { appSecrets, createTestApp } from '../helpers/test-app.js';

interface Finding {
  check: string;
  status: 'ok' | 'warning' | 'wrong';
  found: string;
  mend: string | null;
}

async function examine(
  at: Place,
  environment: Record<string, string> = {},
): Promise<{ code: number; findings: Finding[] }> {
  const { code, stdout } = await at.doe(['doctor', '--json', '--home', at.home], { environment });
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

const named = (findings: Finding[], check: string) => findings.find((finding) => finding.check === check);

describe('doe doctor', () => {
  test('a home that was just laid out has nothing wrong: exit 0, and no secret is shown', async () => {
    const at = place();
    await at.doe(['init']);
    const { code, findings } = await examine(at);
    expect(findings.filter(({ status }) => status === 'wrong')).toEqual([]);
    expect(code).toBe(0);
    const all = 'node, database driver, home, .env, secret, keys, port, python3, bash, directive import-site';
    const further = 'script import_site.py, script trigger_workflow.mjs, database, trust, integration netlify';
    expect(findings.map(({ check }) => check)).toEqual(expect.arrayContaining([all, further].join(', ').split(', ')));
    for (const value of Object.values(parse(readFileSync(join(at.home, '.env')))))
      expect(JSON.stringify(findings)).not.toContain(value);
  });

  test('each finding has its mend, for people too', async () => {
    const at = place({ ...smallHome, ...ownSecrets });
    chmodSync(join(at.home, '.env'), 0o644);
    at.write({ 'directives/broken.md': '---\nretrry: 3\n---\n', 'execution/extra.py': '' });
    const { code, findings } = await examine(at, { MCP_AGENT_KEY: 'key1' });
    expect(code).toBe(1);
    for (const { status, mend } of findings) expect(mend === null).toBe(status === 'ok');
    expect(readdirSync(at.home).sort()).toEqual(['.env', 'directives', 'execution']);
    expect(named(findings, '.env')).toMatchObject({ status: 'wrong', mend: `chmod 600 ${join(at.home, '.env')}` });
    expect(named(findings, 'keys')).toMatchObject({ status: 'warning' });
    expect(named(findings, 'directive broken')).toMatchObject({ status: 'wrong' });
  });

  test('it looks and changes nothing: a home without secrets and database stays so', async () => {
    const at = place(smallHome);
    const { code, findings } = await examine(at);
    expect(code).toBe(1);
    expect(named(findings, 'secret')).toMatchObject({ status: 'wrong', mend: expect.stringContaining('doe init') });
    expect(readdirSync(at.home).sort()).toEqual(['directives', 'execution']);
  });

  test('a port that someone else has is wrong, one that our own doe serve has is right', async () => {
    const at = place(smallHome);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const theirs = await examine(at, { PORT: String((taken.address() as AddressInfo).port) });
    expect(named(theirs.findings, 'port')).toMatchObject({
      status: 'wrong',
      found: expect.stringContaining('another program'),
    });
    at.write(appSecrets);
    const { address } = await createTestApp({ home: at.home, noWorker: true });
    const ours = await examine(at, { PORT: new URL(address ?? '').port });
    expect(named(ours.findings, 'port')).toMatchObject({ status: 'ok' });
  });

  test('a secret other than the one that the database knows is found: exit 1', async () => {
    const at = place(smallHome);
    await at.doe(['init']);
    const { code, findings } = await examine(at, { MCP_SECRET: 'another-secret-that-is-long-enough-0123456789' });
    expect(code).toBe(1);
    expect(named(findings, 'database')).toMatchObject({ status: 'wrong' });
  });

  test('settings that cannot be read end it there: exit 1, in words for a person', async () => {
    const at = place(smallHome);
    const { code, stdout } = await at.doe(['doctor', '--home', at.home], { environment: { DOE_CONCURENCY: '2' } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^wrong +settings +DOE_CONCURENCY is no setting of doe/m);
  });

  test.each([
    [{ MCP_SECRET: 'short' }, 'wrong'],
    [{ MCP_SECRET: 'a-secret-for-tests-that-is-long-enough-0123456789', MCP_SECRET_PREVIOUS: 'short' }, 'wrong'],
    [{ MCP_SECRET: 'a-secret-for-tests-that-is-long-enough-0123456789' }, 'ok'],
  ])('of the secret in %j it says %s', (settings, status) => {
    expect(checks.secret(loadConfig('/nowhere', settings)).status).toBe(status);
  });

  test.each([
    [{}, 'wrong'],
    [{ MCP_API_KEY: 'key1' }, 'warning'],
    [{ MCP_API_KEY: 'key1', HOST: '0.0.0.0' }, 'wrong'],
    [{ MCP_API_KEY: 'k'.repeat(32), HOST: '0.0.0.0' }, 'ok'],
  ])('of the keys in %j it says %s', (settings, status) => {
    expect(checks.keys(loadConfig('/nowhere', settings)).status).toBe(status);
  });

  test('a folder that others can write in is a warning: they decide what runs', async () => {
    const { home } = place(smallHome);
    chmodSync(join(home, 'execution'), 0o777);
    expect(await checks.homeFolder(home)).toMatchObject({
      status: 'warning',
      mend: `chmod go-w ${join(home, 'execution')}`,
    });
  });

  test('without a home it says how to get one: exit 1', async () => {
    const at = place();
    const { code, stdout } = await at.doe(['doctor', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
    expect(stdout).toContain('doe init');
  });
});

test('of scripts it says what would not run, what never asks for its acknowledgement, and which settings are missing', async () => {
  const at = place({
    ...smallHome,
    ...ownSecrets,
    'directives/ruby.md': '---\nscript: ruby.rb\n---\n# Ruby\n',
    'execution/ruby.rb': '#!/no/such/ruby\n',
    'directives/nothing.md': '---\nscript: nothing.txt\n---\n# Nothing\n',
    'execution/nothing.txt': 'no first line\n',
    'directives/wants.md': '---\nscript: good.sh\nsecrets: [GIVEN_TOKEN, MISSING_TOKEN]\n---\n# Wants\n',
    'execution/good.sh': 'curl "$MCP_URL/mcp/validate-ack"\n',
  });
  const { code, findings } = await examine(at, { GIVEN_TOKEN: 'a-token' });
  expect(code).toBe(1);
  expect(named(findings, 'script ruby.rb')).toMatchObject({
    status: 'wrong',
    found: expect.stringContaining('/no/such/ruby'),
  });
  expect(named(findings, 'script nothing.txt')).toMatchObject({ status: 'wrong' });
  expect(named(findings, 'script hello.sh')).toMatchObject({ status: 'warning' });
  expect(named(findings, 'script good.sh')).toMatchObject({ status: 'ok' });
  expect(named(findings, 'directive wants')).toMatchObject({
    status: 'warning',
    found: expect.stringMatching(/given MISSING_TOKEN, which/),
  });
});

test('in the home itself, bash is not taken for a program of the home', async () => {
  const at = place(smallHome);
  const { stdout } = await at.doe(['doctor', '--json', '--home', '.']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  expect(named(findings, 'bash')?.found).toContain('GNU bash');
});

test('doctor starts nothing that the home brings along', async () => {
  const at = place(smallHome);
  const mark = join(at.home, 'started');
  at.write({ '.venv/bin/python': `#!/bin/sh\ntouch ${mark}\necho Python 3\n` });
  chmodSync(join(at.home, '.venv/bin/python'), 0o755);
  const { findings } = await examine(at);
  expect(named(findings, 'python3')?.found).toContain('.venv/bin/python');
  expect(existsSync(mark)).toBe(false);
});
