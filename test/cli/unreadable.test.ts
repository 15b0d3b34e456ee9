// What the user may not read is named, with what to do: it is neither taken for empty nor for a fault of the program.
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ownSecrets, type Place, place, smallHome } from '../helpers/doe.js';

const files = { ...smallHome, ...ownSecrets };

const lockedHome = (name: string): Place => {
  const at = place(files);
  chmodSync(join(at.home, name), 0);
  return at;
};

const asNobody = (at: Place, ...args: string[]) => at.run([...args, '--home', at.home], { unprivileged: true });

test.each([
  ['directives', ['directives']],
  ['directives', ['directives', '--check']],
  ['directives', ['trust']],
  ['.', ['directives']],
  ['.', ['trust']],
])('with %s closed, `doe` %j ends with 1, the place and what to do', async (name, args) => {
  const at = lockedHome(name);
  const { code, stderr, stdout } = await asNobody(at, ...args);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(`${join(at.home, name)} cannot be read`);
  expect(stderr).toContain('Give the user');
});

test.each(['execution', 'execution/hello.sh'])('with %s closed, --check says so of each directive', async (name) => {
  const { code, stdout } = await asNobody(lockedHome(name), 'directives', '--check', '--json');
  expect(code).toBe(1);
  const { directives } = JSON.parse(stdout) as { directives: { problems: string[] }[] };
  expect(directives.map(({ problems }) => problems.length)).toEqual([1]);
  expect(directives[0]?.problems[0]).toContain('cannot be read');
});

test.each(['directives', 'execution'])('with %s closed, doctor finds the folder wrong and goes on', async (name) => {
  const at = lockedHome(name);
  const { code, stdout } = await asNobody(at, 'doctor', '--json');
  expect(code).toBe(1);
  const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string; mend: string | null }[] };
  expect(findings.find(({ check }) => check === 'home')).toMatchObject({
    status: 'wrong',
    mend: expect.stringContaining(`chmod u+rx ${join(at.home, name)}`),
  });
  expect(findings.map(({ check }) => check)).toContain('database');
});
