import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { TaskDirective } from '../../src/directives/index.js';
import { parseRevision } from '../../src/directives/revision.js';
import { digestScript } from '../../src/directives/script.js';
import { refusalOf } from '../helpers/errors.js';
import { temporaryFolder, writeFiles } from '../helpers/test-app.js';

function directive(frontMatter = ''): TaskDirective {
  const bytes = Buffer.from(`---\ntitle: T\n${frontMatter}\n---\n# T\n`);
  const parsed = parseRevision({ id: 'import-site', file: 'directives/import-site.md', bytes, modifiedAt: 0 });
  if (parsed.kind !== 'task') throw new Error(JSON.stringify(parsed));
  return parsed;
}

function homeWith(files: Record<string, string>): string {
  const home = temporaryFolder();
  writeFiles(home, { 'execution/import_site.py': 'print(1)\n', ...files });
  return home;
}

test('the default script is the task type with _ for -, in the order .py .mjs .js .sh', async () => {
  const home = temporaryFolder();
  for (const ending of ['.sh', '.js', '.mjs', '.py']) {
    writeFiles(home, { [`execution/import_site${ending}`]: 'x' });
    expect((await digestScript(home, directive())).script.name).toBe(`import_site${ending}`);
  }
});

test('the digest changes with everything that the script can load, and with nothing else', async () => {
  const home = homeWith({
    'execution/lib/util.py': '1',
    'execution/fix.py': '1',
    'execution/.hidden': '1',
    'execution/__pycache__/x.pyc': '1',
    'execution/node_modules/m/i.js': '1',
  });
  const digest = async () => (await digestScript(home, directive('fix_script: fix.py'))).sha256;
  let last = await digest();
  for (const name of ['.hidden', '__pycache__/x.pyc', 'node_modules/m/i.js']) {
    writeFiles(home, { [`execution/${name}`]: 'changed' });
    expect(await digest(), name).toBe(last);
  }
  for (const name of ['import_site.py', 'lib/util.py', 'fix.py', 'lib/new.py']) {
    writeFiles(home, { [`execution/${name}`]: 'changed' });
    const now = await digest();
    expect(now, name).not.toBe(last);
    last = now;
  }
});

test.each([
  ['node_modules/m/i.js', '["**/*", "node_modules/**"]'],
  ['lib/node_modules/m/i.js', '["**/node_modules/m/*.js"]'],
  ['node_modules/m/i.js', '["{lib,node_modules}/**"]'],
  ['__pycache__/x.pyc', '["__pycache__/*"]'],
  ['node_modules/m/__pycache__/x.pyc', '["node_modules/**", "**/__pycache__/**"]'],
])('%s is covered where includes: %s names it', async (name, includes) => {
  const home = homeWith({ [`execution/${name}`]: '1' });
  const digest = async () => (await digestScript(home, directive(`includes: ${includes}`))).sha256;
  const before = await digest();
  writeFiles(home, { [`execution/${name}`]: 'swapped' });
  expect(await digest()).not.toBe(before);
});

test.each([
  ['["**/*", "node_modules/m/**"]', ['node_modules/m/i.js']],
  ['["**/*", "node_modules/**"]', ['node_modules/m/i.js', 'node_modules/other/i.js']],
  ['["**/*", "!node_modules/**"]', []],
  ['["**/*", "!(node_modules)/**"]', []],
])('of what is passed over includes: %s covers what it names alone', async (includes, wanted) => {
  const home = homeWith({
    'execution/node_modules/m/i.js': '1',
    'execution/node_modules/other/i.js': '1',
    'execution/node_modules/m/__pycache__/x.pyc': '1',
    'execution/lib/node_modules/i.js': '1',
  });
  const { covered } = await digestScript(home, directive(`includes: ${includes}`));
  expect(Object.keys(covered)).toEqual(['import_site.py', ...wanted]);
});

test('a file cannot be renamed into another one unseen', async () => {
  const one = await digestScript(homeWith({ 'execution/a.py': '1', 'execution/b.py': '2' }), directive());
  const other = await digestScript(homeWith({ 'execution/a.py': '2', 'execution/b.py': '1' }), directive());
  expect(one.sha256).not.toBe(other.sha256);
});

test('script and fix_script are covered whatever includes leaves out', async () => {
  const home = homeWith({ 'execution/lib/a.py': '1', 'execution/other.py': '1', 'execution/fix.py': '1' });
  const narrow = directive('includes: ["lib/**"]\nfix_script: fix.py');
  const before = (await digestScript(home, narrow)).sha256;
  writeFiles(home, { 'execution/other.py': '2' });
  expect((await digestScript(home, narrow)).sha256).toBe(before);
  writeFiles(home, { 'execution/fix.py': '2' });
  expect((await digestScript(home, narrow)).sha256).not.toBe(before);
});

test('a link to a file inside is covered by the content it leads to', async () => {
  const home = homeWith({ 'execution/.real.py': '1' });
  symlinkSync('.real.py', join(home, 'execution/helper.py'));
  const before = (await digestScript(home, directive())).sha256;
  writeFiles(home, { 'execution/.real.py': '2' });
  expect((await digestScript(home, directive())).sha256).not.toBe(before);
});

test.each([
  ['a file outside', '../outside.py', 'helper.py', 'leads out'],
  ['a folder outside', '..', 'lib', 'leads out'],
  ['a folder inside', 'real', 'lib', 'link to a folder'],
])('a link to %s is refused', async (_what, target, name, why) => {
  const home = homeWith({ 'outside.py': 'x', 'execution/real/a.py': 'x' });
  symlinkSync(target, join(home, 'execution', name));
  const error = await refusalOf(() => digestScript(home, directive()));
  expect(error.code).toBe('too_much_covered');
  expect(error.message).toContain(why);
  expect(error.hint).toContain('includes');
});

test('a script that leads out of execution/, or is not there, is refused with what to do', async () => {
  const home = homeWith({ 'outside.py': 'x' });
  symlinkSync('../outside.py', join(home, 'execution/out.py'));
  mkdirSync(join(home, 'execution/folder.py'));
  for (const script of ['out.py', 'missing.py', 'folder.py']) {
    const error = await refusalOf(() => digestScript(home, directive(`script: ${script}\nincludes: [none]`)));
    expect(error.code, script).toBe('script_missing');
    expect(error.hint).toBeTruthy();
  }
  const bare = temporaryFolder();
  expect((await refusalOf(() => digestScript(bare, directive()))).code).toBe('script_missing');
});

test('more than 2,000 files are refused with a hint to narrow includes', async () => {
  const home = homeWith({});
  for (let count = 0; count < 2000; count++) writeFileSync(join(home, 'execution', `f${count}`), '');
  const error = await refusalOf(() => digestScript(home, directive()));
  expect(error.code).toBe('too_much_covered');
  expect(error.message).toContain('2000 files');
  expect(error.hint).toContain('includes');
  expect(await digestScript(home, directive('includes: ["*.py"]'))).toBeTruthy();
});

test('more than 64 MiB are refused', async () => {
  const home = homeWith({ 'execution/data.bin': 'x'.repeat(64 * 1024 * 1024) });
  const error = await refusalOf(() => digestScript(home, directive()));
  expect(error.code).toBe('too_much_covered');
  expect(error.message).toContain('65 MiB');
});

test('a file named like a prototype is covered as any other', async () => {
  const home = homeWith({ 'execution/__proto__': '1', 'execution/lib/constructor': '1' });
  const before = (await digestScript(home, directive())).sha256;
  writeFiles(home, { 'execution/__proto__': 'changed' });
  expect((await digestScript(home, directive())).sha256).not.toBe(before);
});

test.each(['*a*a*a*a*a*a*a*a*a*a*b', '+(+(a))b', '(a+)+b'])(
  'includes of %s cannot hold up the process',
  async (glob) => {
    const home = homeWith({ [`execution/${'a'.repeat(200)}`]: '1' });
    const found = digestScript(home, directive(`includes: ['${glob}']`));
    const outcome = await found.then(
      () => 'matched',
      (error: { code?: string }) => error.code,
    );
    expect(['matched', 'too_much_covered']).toContain(outcome);
  },
);
