import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { temporaryFolder, writeFiles } from '../../helpers/test-app.js';
import {
  makeHome,
  makeWithPython,
  type Run,
  type RunOptions,
  runScript,
  shipped,
  startBridge,
  token,
} from '../bridge.js';

const script = join(shipped, 'import_site.py');
const goodSite = `site.writestr('index.html', '<h1>new</h1>')
site.writestr('assets/site.css', 'h1 {}')`;

/** Writes zips, each by statements on an open `zipfile.ZipFile` called `site`; `info` makes an entry of any mode. */
const writeZips = (statements: Record<string, string>) =>
  makeWithPython(
    `import json, sys, warnings, zipfile
warnings.simplefilter('ignore')
def info(name, mode):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    return entry
for path, statements in json.loads(sys.argv[1]).items():
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as site:
        exec(statements)
`,
    JSON.stringify(statements),
  );
const writeZip = (path: string, statements: string) => writeZips({ [path]: statements });

/** Zips that several tests read, made by one Python process. */
const zips = mkdtempSync(join(tmpdir(), 'doe-zips-'));
afterAll(() => rmSync(zips, { recursive: true, force: true }));
const goodZip = join(zips, 'good.zip');
writeZip(goodZip, goodSite);

let home: string;
let mcpUrl: string;

beforeEach(async () => {
  home = makeHome();
  mcpUrl = (await startBridge()).url;
  copyFileSync(goodZip, join(home, 'client1.zip'));
});

const importSite = (payload: Record<string, unknown> = {}, options: Partial<RunOptions> = {}): Promise<Run> =>
  runScript(script, {
    home,
    mcpUrl,
    payload: { zip: 'client1.zip', site_dir: 'sites/client1', ...payload },
    ...options,
  });

const writeOldSite = () =>
  writeFiles(home, { 'sites/client1/index.html': 'old', 'sites/client1/about/us.html': 'old' });

const expectOldSite = () => {
  expect(readdirSync(join(home, 'sites'))).toEqual(['client1']);
  expect(readdirSync(join(home, 'sites/client1')).sort()).toEqual(['about', 'index.html']);
  expect(readFileSync(join(home, 'sites/client1/index.html'), 'utf8')).toBe('old');
};

const expectNewSite = () => {
  expect(readdirSync(join(home, 'sites'))).toEqual(['client1']);
  expect(readdirSync(join(home, 'sites/client1')).sort()).toEqual(['assets', 'index.html']);
  expect(readFileSync(join(home, 'sites/client1/index.html'), 'utf8')).toBe('<h1>new</h1>');
};

const expectRefused = ({ code, stderr, result }: Run, why: RegExp) => {
  expect(stderr).toMatch(why);
  expect(stderr).not.toContain('Traceback');
  expect(code).toBe(1);
  expect(result).toBeUndefined();
};

describe('a good archive', () => {
  test('becomes the folder, with its counts as the result', async () => {
    const { code, stdout, stderr, result } = await importSite();
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(result).toEqual({ site_dir: 'sites/client1', files: 2, bytes: 17 });
    expectNewSite();
    expect(stdout).toMatch(/::progress:: 100 2 files/);
    expect(stdout + stderr).not.toContain(token);
  });

  test('replaces what was there, as a whole', async () => {
    writeOldSite();
    expect((await importSite()).code).toBe(0);
    expectNewSite();
  });

  test('leaves out hidden files and what macOS adds, keeps .well-known, and says so', async () => {
    writeZip(
      join(home, 'client1.zip'),
      `${goodSite}
for name in ['.git/hooks/post-checkout', '.env', '__MACOSX/._index.html', 'assets/.DS_Store']: site.writestr(name, 'x')
site.writestr('.well-known/security.txt', 'x')`,
    );
    const { result, stdout } = await importSite();
    expect(result).toMatchObject({ files: 3 });
    expect(stdout).toContain('left out 4 hidden entries');
    expect(readdirSync(join(home, 'sites/client1')).sort()).toEqual(['.well-known', 'assets', 'index.html']);
    expect(readdirSync(join(home, 'sites/client1/assets'))).toEqual(['site.css']);
  });

  test('may hold folders of its own, empty ones too', async () => {
    writeZip(
      join(home, 'client1.zip'),
      `site.writestr('empty/', '')
site.writestr('a/', '')
site.writestr('a/b/c.html', 'x')
site.writestr('a/d', '')`,
    );
    expect((await importSite()).result).toEqual({ site_dir: 'sites/client1', files: 2, bytes: 1 });
    expect(readdirSync(join(home, 'sites/client1/empty'))).toEqual([]);
  });

  test('may have exactly 10,000 files: to write them all takes longer than all else here, so the counting alone is asked', () => {
    makeWithPython(
      `import sys, zipfile
sys.path.insert(0, sys.argv[1])
import import_site
import_site.check_numbers([(zipfile.ZipInfo(f'a/{number}'), ['a', str(number)]) for number in range(10_000)])
`,
      dirname(script),
    );
  });

  test('never brings execute permission or setuid along', async () => {
    writeZip(join(home, 'client1.zip'), `site.writestr(info('tool', 0o104755), 'x')`);
    expect((await importSite()).code).toBe(0);
    makeWithPython(
      'import os, sys; assert os.stat(sys.argv[1]).st_mode & 0o7111 == 0',
      join(home, 'sites/client1/tool'),
    );
  });

  test('goes through a link that stays inside the home', async () => {
    mkdirSync(join(home, 'customers'));
    symlinkSync('customers', join(home, 'sites'));
    expect((await importSite()).code).toBe(0);
    expect(readdirSync(join(home, 'customers'))).toEqual(['client1']);
  });
});

describe('a hostile archive is refused, and the old folder stays whole', () => {
  const hostile: [string, string, RegExp][] = [
    [
      'a name that leaves the folder',
      `site.writestr('../../evil.html', 'x')`,
      /'\.\.\/\.\.\/evil\.html' is not a plain/,
    ],
    ['a name that leaves it on the way', `site.writestr('a/../../evil.html', 'x')`, /not a plain relative path/],
    ['a folder that leaves it', `site.writestr('../evil/', '')`, /not a plain relative path/],
    ['an absolute name', `site.writestr('/evil.html', 'x')`, /not a plain relative path/],
    ['a drive letter', `site.writestr('C:evil.html', 'x')`, /not a plain relative path/],
    ['backslashes', `site.writestr('..\\\\..\\\\evil.html', 'x')`, /not a plain relative path/],
    ['an empty part', `site.writestr('a//evil.html', 'x')`, /not a plain relative path/],
    ['a link', `site.writestr(info('evil', 0o120777), '/etc/passwd')`, /'evil' is a link/],
    [
      'a link and a file through it',
      `site.writestr(info('evil', 0o120777), '..')\nsite.writestr('evil/x.html', 'x')`,
      /'evil' is a link/,
    ],
    ['a device', `site.writestr(info('evil', 0o020666), '')`, /'evil' is a special file/],
    ['a named pipe', `site.writestr(info('evil', 0o010666), '')`, /'evil' is a special file/],
    ['a hidden name that leaves the folder', `site.writestr('.x/../../evil', 'x')`, /not a plain relative path/],
    ['a name that comes twice', `site.writestr('index.html', 'again')`, /'index\.html' comes twice/],
    ['a file where a folder is', `site.writestr('assets', 'x')`, /'assets' comes twice/],
    ['a folder where a file is', `site.writestr('index.html/x', 'x')`, /'index\.html' stands for two things/],
    ['too many files', `for number in range(9999): site.writestr(str(number), '')`, /more than 10000 files/],
    [
      'too many folders',
      `for number in range(103): site.writestr('/'.join([str(number)] + ['d'] * 98) + '/x', '')`,
      /more than 10000 folders/,
    ],
    ['a name that is very deep', `site.writestr('d/' * 101 + 'x', 'x')`, /deeper than 100 folders/],
    ['a name that no disk takes', `site.writestr('x' * 300, 'x')`, /File name too long/],
  ];
  const zipOf = (what: string) => join(zips, `${what}.zip`);
  writeZips(Object.fromEntries(hostile.map(([what, statements]) => [zipOf(what), `${goodSite}\n${statements}`])));

  test.each(hostile)('%s', async (what, _statements, why) => {
    writeOldSite();
    copyFileSync(zipOf(what), join(home, 'client1.zip'));
    expectRefused(await importSite(), why);
    expectOldSite();
    expect(readdirSync(home).sort()).toEqual(['client1.zip', 'directives', 'execution', 'sites']);
  });

  test('more than 1 GiB by its own word, before anything is written', async () => {
    writeOldSite();
    const path = join(home, 'client1.zip');
    writeZip(path, `site.writestr('zeros', b'\\0' * 1_000_000)`);
    claimSize(path, 1024 ** 3 + 1);
    expectRefused(await importSite(), /unpacks to more than 1073741824 bytes/);
    expectOldSite();
  });

  test('more bytes than there is room for are counted as they come out', async () => {
    writeZip(join(home, 'client1.zip'), `site.writestr('zeros', b'\\0' * 5_000_000)`);
    const under = `import os, sys, zipfile
sys.path.insert(0, ${JSON.stringify(shipped)})
import doe, import_site
with zipfile.ZipFile('client1.zip') as source:
    try:
        import_site.write_file(source, source.infolist()[0], 'zeros', 4_000_000)
    except import_site.Refused as reason:
        doe.result([str(reason), os.path.getsize('zeros') <= 4_000_000])`;
    const { result } = await importSite({}, { under });
    expect(result).toEqual([expect.stringMatching(/unpacks to more than/), true]);
  });

  test.each([
    ['smaller than it is', 10],
    ['larger than it is', 2_000_000],
  ])('a header that says a file is %s', async (_what, claimed) => {
    writeOldSite();
    const path = join(home, 'client1.zip');
    writeZip(path, `site.writestr('zeros', b'\\0' * 1_000_000)`);
    claimSize(path, claimed);
    expectRefused(await importSite(), /Bad CRC-32|that it claims/);
    expectOldSite();
  });

  test.each([
    ['no archive at all', (zip: Buffer) => Buffer.from(`no zip${zip.length}`)],
    ['an archive that is cut off', (zip: Buffer) => zip.subarray(0, zip.length - 30)],
    [
      'an archive with damaged data',
      (zip: Buffer) => Buffer.concat([zip.subarray(0, 41), Buffer.from('xx'), zip.subarray(43)]),
    ],
    ['an encrypted archive', (zip: Buffer) => withFlag(zip)],
  ])('%s', async (_what, damage) => {
    writeOldSite();
    const path = join(home, 'client1.zip');
    writeFileSync(path, damage(readFileSync(path)));
    expectRefused(await importSite(), /cannot be read: |is encrypted/);
    expectOldSite();
  });

  test('an archive without files', async () => {
    writeOldSite();
    writeZip(join(home, 'client1.zip'), `site.writestr('empty/', '')`);
    expectRefused(await importSite(), /has no files/);
    expectOldSite();
  });
});

/** Makes both headers of a zip's only file, of 1,000,000 bytes, say that it has another size. */
const claimSize = (path: string, size: number) =>
  makeWithPython(
    `import struct, sys
data = open(sys.argv[1], 'rb').read()
true = struct.pack('<I', 1_000_000)
assert data.count(true) == 2
open(sys.argv[1], 'wb').write(data.replace(true, struct.pack('<I', int(sys.argv[2]))))`,
    path,
    String(size),
  );

/** Sets the flag for encryption in every header of a zip. */
function withFlag(zip: Buffer): Buffer {
  const marked = Buffer.from(zip);
  for (const [signature, offset] of [
    ['PK\x03\x04', 6],
    ['PK\x01\x02', 8],
  ] as const) {
    for (let at = marked.indexOf(signature); at >= 0; at = marked.indexOf(signature, at + 1))
      marked.writeUInt16LE(marked.readUInt16LE(at + offset) | 1, at + offset);
  }
  return marked;
}

describe('a folder that is not its to fill is refused', () => {
  const refused = [
    '',
    '.',
    '..',
    '../outside',
    'sites/../../outside',
    'sites/../execution',
    '/tmp/outside',
    'directives',
    'directives/sub',
    'execution',
    'Execution',
    'automations',
    'anneal-tasks/x',
    '.env',
    '.git/hooks',
    'sites/.hidden',
    'db.sqlite',
    'db.sqlite-wal',
    'sites\\client1',
    'C:sites',
    'sites/client1.import-old',
    7,
    null,
    ['sites'],
  ];

  test.each(['execution', '../outside', 'client1.zip', 'client1.zip/inside'])('%j', async (site_dir) => {
    const before = readdirSync(home);
    expectRefused(await importSite({ site_dir }), /^import_site: .*Nothing was changed\./);
    expect(readdirSync(home)).toEqual(before);
    expect(readdirSync(join(home, 'execution'))).toEqual([]);
  });

  test('whatever way it is written', async () => {
    const under = `import json, os, sys
sys.path.insert(0, ${JSON.stringify(shipped)})
import doe, import_site
def verdict(name):
    try:
        return [name, import_site.find_target(os.getcwd(), name, os.path.abspath('client1.zip'))]
    except import_site.Refused:
        return [name, 'refused']
doe.result([verdict(name) for name in doe.payload()['names']])`;
    const { result } = await importSite({ names: [...refused, 'sites/client1/'] }, { under });
    const allowed = ['sites/client1/', join(realpathSync(home), 'sites/client1')];
    expect(result).toEqual([...refused.map((name) => [name, 'refused']), allowed]);
  });

  test('a link that leads out of the home, or into a folder of the dispatcher', async () => {
    const outside = temporaryFolder();
    symlinkSync(outside, join(home, 'out'));
    symlinkSync('execution', join(home, 'in'));
    mkdirSync(join(home, 'sites'));
    symlinkSync(outside, join(home, 'sites/client1'));
    expectRefused(await importSite({ site_dir: 'out/site' }), /leads out of the home/);
    expectRefused(await importSite({ site_dir: 'sites/client1' }), /leads out of the home/);
    expectRefused(await importSite({ site_dir: 'in/site' }), /lies in execution/);
    expect(readdirSync(outside)).toEqual([]);
  });

  test('a folder with hidden files, which is somebody’s work', async () => {
    writeFiles(home, { 'sites/client1/.git/config': 'x', 'sites/client1/index.html': 'work' });
    expectRefused(await importSite(), /holds \.git/);
    expect(readFileSync(join(home, 'sites/client1/index.html'), 'utf8')).toBe('work');
  });

  test('the folder that the archive lies in', async () => {
    writeFiles(home, { 'sites/client1/index.html': 'work' });
    writeZip(join(home, 'sites/client1/new.zip'), goodSite);
    expectRefused(await importSite({ zip: 'sites/client1/new.zip' }), /would go with the old folder/);
  });

  test('an archive outside of the home, or none', async () => {
    const outside = temporaryFolder();
    writeZip(join(outside, 'x.zip'), goodSite);
    symlinkSync(join(outside, 'x.zip'), join(home, 'link.zip'));
    expectRefused(await importSite({ zip: 'link.zip' }), /leads out of the home/);
    expectRefused(await importSite({ zip: join(outside, 'x.zip') }), /not a plain relative path/);
    expectRefused(await importSite({ zip: 'missing.zip' }), /is not a file/);
    expectRefused(await importSite({ zip: 'directives' }), /is not a file/);
    expect(existsSync(join(home, 'sites'))).toBe(false);
  });
});

describe('an import that is broken off', () => {
  /** Runs the script and lets `os.rename` kill the process, uncleaned, before its nth call. */
  const dyingAtRename = (nth: number) => `import os, runpy, signal, sys
renames, rename = [], os.rename
def dying(*names):
    renames.append(names)
    if len(renames) == ${nth}: os.kill(os.getpid(), signal.SIGKILL)
    rename(*names)
os.rename = dying
sys.path.insert(0, ${JSON.stringify(shipped)})
sys.argv[0] = ${JSON.stringify(script)}
runpy.run_path(sys.argv[0], run_name='__main__')`;

  test.each([1, 2])('dead at rename %i of the swap: the next one finishes the work', async (nth) => {
    writeOldSite();
    expect((await importSite({}, { under: dyingAtRename(nth) })).signal).toBe('SIGKILL');
    expect(existsSync(join(home, 'sites/client1'))).toBe(nth === 1);
    const { code, stdout } = await importSite();
    expect(code).toBe(0);
    expect(stdout.includes('its old folder is back')).toBe(nth === 2);
    expectNewSite();
  });

  test('dead in the middle of the swap: also a next one that is refused brings the old folder back', async () => {
    writeOldSite();
    expect((await importSite({}, { under: dyingAtRename(2) })).signal).toBe('SIGKILL');
    writeZip(join(home, 'client1.zip'), `${goodSite}\nsite.writestr('../evil', 'x')`);
    expectRefused(await importSite(), /not a plain relative path/);
    expectOldSite();
  });

  test('a rename that fails leaves the old folder in its place', async () => {
    writeOldSite();
    const under = dyingAtRename(2).replace('os.kill(os.getpid(), signal.SIGKILL)', 'raise OSError(5, "broken disk")');
    expectRefused(await importSite({}, { under }), /broken disk/);
    expectOldSite();
  });

  test('cancelled while unpacking: it cleans up and the old folder stays', async () => {
    writeOldSite();
    const under = `import os, runpy, signal, sys
sys.path.insert(0, ${JSON.stringify(shipped)})
sys.argv[0] = ${JSON.stringify(script)}
import doe
doe.progress = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
runpy.run_path(sys.argv[0], run_name='__main__')`;
    const { code, result } = await importSite({}, { under });
    expect(code).toBe(143);
    expect(result).toBeUndefined();
    expectOldSite();
  });

  test('two at once into one folder: both succeed, one after the other', async () => {
    const runs = await Promise.all([importSite(), importSite(), importSite({ site_dir: 'sites/client2' })]);
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(readdirSync(join(home, 'sites')).sort()).toEqual(['client1', 'client2']);
  });
});

test('a refused token ends it before anything is done, and the token stays out of its output', async () => {
  writeOldSite();
  const { url } = await startBridge({ refuse: { code: 'script_changed', error: `The script of ${token} changed.` } });
  const run = await importSite({}, { mcpUrl: url });
  expectRefused(run, /not acknowledged \(script_changed\)/);
  expect(run.stdout).toBe('');
  expect(run.stderr).not.toContain(token);
  expectOldSite();
});
