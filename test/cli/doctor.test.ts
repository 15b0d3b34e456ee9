import { chmodSync, existsSync, readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Place, place, smallHome } from '../helpers/doe.js';

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
  test('a home that was just laid out has nothing wrong: exit 0', async () => {
    const at = place();
    await at.doe(['init']);
    const { code, findings } = await examine(at);
    expect(findings.filter(({ status }) => status === 'wrong')).toEqual([]);
    expect(code).toBe(0);
    expect(findings.map(({ check }) => check)).toEqual(
      expect.arrayContaining([
        'node',
        'database driver',
        'home',
        '.env',
        'secret',
        'keys',
        'port',
        'python3',
        'bash',
        'database',
        'trust',
      ]),
    );
  });

  test('each finding has its mend, for people too', async () => {
    const at = place();
    await at.doe(['init']);
    chmodSync(join(at.home, '.env'), 0o644);
    at.write({ 'directives/broken.md': '---\nretrry: 3\n---\n', 'execution/extra.py': '' });
    const { code, findings } = await examine(at, { MCP_AGENT_KEY: 'key1' });
    expect(code).toBe(1);
    for (const { status, mend } of findings) expect(mend === null).toBe(status === 'ok');
    expect(named(findings, '.env')).toMatchObject({ status: 'wrong', mend: `chmod 600 ${join(at.home, '.env')}` });
    expect(named(findings, 'keys')).toMatchObject({ status: 'warning' });
    expect(named(findings, 'directive broken')).toMatchObject({ status: 'wrong' });
    const { stdout } = await at.doe(['doctor', '--home', at.home]);
    expect(stdout).toContain('chmod 600');
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
    const { address } = await at.serve();
    const ours = await examine(at, { PORT: new URL(address).port });
    expect(named(ours.findings, 'port')).toMatchObject({ status: 'ok' });
  });

  test.each([
    [{ MCP_SECRET: 'another-secret-that-is-long-enough-0123456789' }, 'database'],
    [{ MCP_SECRET: 'short' }, 'secret'],
    [{ DOE_CONCURENCY: '2' }, 'settings'],
    [{ HOST: '0.0.0.0', MCP_API_KEY: 'key1' }, 'keys'],
  ])('%j is found at %s: exit 1', async (environment, check) => {
    const at = place(smallHome);
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    const { code, findings } = await examine(at, { ...environment });
    expect(code).toBe(1);
    expect(named(findings, check)).toMatchObject({ status: 'wrong' });
  });

  test('without a home it says how to get one: exit 1', async () => {
    const at = place();
    const { code, stdout } = await at.doe(['doctor', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false });
    expect(stdout).toContain('doe init');
  });

  test('no secret is shown', async () => {
    const at = place(smallHome);
    const secret = 'a-secret-that-nobody-may-see-0123456789-abcdef';
    const { stdout, stderr } = await at.doe(['doctor', '--home', at.home], {
      environment: { MCP_SECRET: secret, MCP_API_KEY: `jo:${secret}` },
    });
    expect(stdout + stderr).not.toContain(secret);
  });
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
