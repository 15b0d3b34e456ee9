import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findHome, isKnown, layOut, namedHome, rememberHome, type Surroundings, unwritable } from '../src/home.js';
import { packageRoot } from '../src/version.js';
import { refusalOf } from './helpers/errors.js';
import { temporaryFolder, writeFiles } from './helpers/test-app.js';

const homeFiles = { 'directives/a.md': '# A\n', 'execution/a.sh': 'true\n' };

/** A user in a folder, with a state folder of its own. */
function user(cwd: string, doeHome?: string): Surroundings {
  return { cwd, doeHome, stateFolder: join(temporaryFolder(), 'state', 'doe') };
}

function home(): string {
  const folder = temporaryFolder();
  writeFiles(folder, homeFiles);
  return folder;
}

describe('which home is meant', () => {
  test('--home goes before DOE_HOME, and both before the current folder', async () => {
    const [given, setting, here] = [home(), home(), home()];
    const around = user(here, setting);
    await rememberHome(here, around);
    expect(await findHome(given, around)).toBe(given);
    expect(await findHome(undefined, around)).toBe(setting);
    expect(await findHome(undefined, { ...around, doeHome: '' })).toBe(here);
  });

  test('a relative --home is read from the current folder', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { 'agency/directives/a.md': '# A\n', 'agency/execution/a.sh': '' });
    expect(await findHome('agency', user(folder))).toBe(join(folder, 'agency'));
  });

  test('a known home is found from any folder below it, past folders that are none or unknown', async () => {
    const known = home();
    writeFiles(known, { 'clone/directives/x.md': '# X\n', 'clone/execution/x.sh': '', 'clone/deep/er/file': '' });
    const around = user(join(known, 'clone', 'deep', 'er'));
    await rememberHome(known, around);
    expect(await findHome(undefined, around)).toBe(known);
  });

  test('a home that this user neither laid out nor trusted is not taken by itself, and the message names it', async () => {
    const stranger = home();
    const refusal = await refusalOf(() => findHome(undefined, user(stranger)));
    expect(refusal.code).toBe('home_not_found');
    expect(refusal.message).toContain(stranger);
    expect(refusal.hint).toContain('doe trust');
  });

  test('without any home the message says how to lay one out', async () => {
    const refusal = await refusalOf(() => findHome(undefined, user(temporaryFolder())));
    expect(refusal.code).toBe('home_not_found');
    expect(refusal.hint).toContain('doe init');
  });

  test.each(['--home', 'DOE_HOME'])(
    'a folder that %s names and that is no home is refused by that name',
    async (by) => {
      const folder = temporaryFolder();
      const refusal = await refusalOf(() =>
        namedHome(by === '--home' ? folder : undefined, user(folder, by === '--home' ? undefined : folder)),
      );
      expect(refusal.code).toBe('home_not_found');
      expect(refusal.message).toContain(by);
    },
  );

  test('where no home is named, none is', () => {
    expect(namedHome(undefined, user(home()))).toBeNull();
  });
});

describe('the list of known homes', () => {
  test('it is readable for its owner alone and knows a home by its real path', async () => {
    const around = user('/');
    const real = home();
    const link = join(temporaryFolder(), 'link');
    symlinkSync(real, link);
    await rememberHome(link, around);
    expect(await isKnown(real, around)).toBe(true);
    expect(statSync(join(around.stateFolder, 'homes.jsonl')).mode & 0o777).toBe(0o600);
    expect(statSync(around.stateFolder).mode & 0o777).toBe(0o700);
  });

  test('of homes that are remembered at once none is lost, and none stands twice afterwards', async () => {
    const around = user('/');
    const homes = Array.from({ length: 20 }, home);
    await Promise.all(homes.map((folder) => rememberHome(folder, around)));
    expect(await Promise.all(homes.map((folder) => isKnown(folder, around)))).toEqual(homes.map(() => true));
    const before = readFileSync(join(around.stateFolder, 'homes.jsonl'), 'utf8');
    await Promise.all(homes.map((folder) => rememberHome(folder, around)));
    expect(readFileSync(join(around.stateFolder, 'homes.jsonl'), 'utf8')).toBe(before);
  });

  test('a line that was cut off is passed over, and hurts no other', async () => {
    const around = user('/');
    const [before, after] = [home(), home()];
    await rememberHome(before, around);
    appendFileSync(join(around.stateFolder, 'homes.jsonl'), '"/some/ho');
    await rememberHome(after, around);
    expect([await isKnown(before, around), await isKnown(after, around)]).toEqual([true, true]);
  });
});

describe('laying out a home', () => {
  test('it holds every shipped directive and script, and keeps secrets out of git', async () => {
    const folder = join(temporaryFolder(), 'new', 'home');
    const { created, kept, foreignScripts } = await layOut(folder);
    for (const inside of ['directives', 'execution']) {
      const shipped = readdirSync(join(packageRoot, inside)).filter((name) => !/^[._]/.test(name));
      expect(readdirSync(join(folder, inside)).sort()).toEqual(shipped.sort());
      expect(created).toEqual(expect.arrayContaining(shipped.map((name) => `${inside}/${name}`)));
    }
    expect(readFileSync(join(folder, '.gitignore'), 'utf8').split('\n')).toEqual(
      expect.arrayContaining(['.env', 'db.sqlite*', 'anneal-tasks/']),
    );
    expect({ kept, foreignScripts }).toEqual({ kept: [], foreignScripts: [] });
  });

  test('what is there stays as it is, and files of others are named', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { 'directives/import-site.md': 'mine\n', 'execution/json.py': 'mine too\n', '.gitignore': '' });
    const { created, kept, foreignScripts } = await layOut(folder);
    expect(readFileSync(join(folder, 'directives', 'import-site.md'), 'utf8')).toBe('mine\n');
    expect(readFileSync(join(folder, '.gitignore'), 'utf8')).toBe('');
    expect(kept).toEqual(expect.arrayContaining(['directives/import-site.md', '.gitignore']));
    expect(created).not.toContain('directives/import-site.md');
    expect(foreignScripts).toEqual(['json.py']);
  });

  test('a second time nothing is made, and the shipped scripts are no strangers', async () => {
    const folder = temporaryFolder();
    const first = await layOut(folder);
    const second = await layOut(folder);
    expect(second.created).toEqual([]);
    expect(second.kept.sort()).toEqual(first.created.sort());
    expect(second.foreignScripts).toEqual([]);
  });

  test('a file where a folder belongs is named, and nothing is written', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { execution: 'a file' });
    const refusal = await refusalOf(() => layOut(folder));
    expect(refusal.code).toBe('home_not_writable');
    expect(refusal.message).toContain(join(folder, 'execution'));
    expect(readdirSync(folder)).toEqual(['execution']);
  });

  test('a home below a file cannot be made, and the message says why', async () => {
    const folder = temporaryFolder();
    writeFiles(folder, { file: '' });
    const refusal = await refusalOf(() => layOut(join(folder, 'file', 'home')));
    expect(refusal.code).toBe('home_not_writable');
    expect(refusal.message).toContain('a part of the path is a file');
    expect(existsSync(join(folder, 'file', 'home'))).toBe(false);
  });

  test.each([
    ['EROFS', 'read-only'],
    ['EACCES', 'may not write'],
    ['ENOSPC', 'disk is full'],
  ])('%s is told in words', (code, words) => {
    const refusal = unwritable('/some/home', Object.assign(new Error(code), { code }));
    expect(refusal).toMatchObject({ code: 'home_not_writable', message: expect.stringContaining(words) });
  });
});
