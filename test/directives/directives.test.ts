import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createDirectives } from '../../src/directives/load.js';
import { createDiskWatch } from '../../src/directives/watch.js';
import { silentLog } from '../../src/log.js';
import { refusalOf } from '../helpers/errors.js';
import { temporaryFolder, writeFiles } from '../helpers/test-app.js';

const fenced = (yaml: string, body = '# T\n') => `---\n${yaml}\n---\n${body}`;

function directivesWith(files: Record<string, string>) {
  const home = temporaryFolder();
  mkdirSync(join(home, 'directives'));
  writeFiles(home, Object.fromEntries(Object.entries(files).map(([name, text]) => [`directives/${name}`, text])));
  return { home, directives: createDirectives({ home, log: silentLog }) };
}

test('good ones, references and broken ones are all listed, by id; hidden and drafts are not', async () => {
  const { directives } = directivesWith({
    'good.md': fenced('title: G'),
    'notes.md': '# Notes for people\n',
    'broken.md': fenced('oops: 1'),
    'open.md': '---\ntitle: never closed\n',
    '_draft.md': fenced('title: D'),
    '.hidden.md': fenced('title: H'),
    'readme.txt': 'x',
  });
  const listed = await directives.list();
  expect(listed.map(({ id, kind }) => `${id} ${kind}`)).toEqual([
    'broken broken',
    'good task',
    'notes reference',
    'open broken',
  ]);
  expect(listed.find(({ id }) => id === 'broken')).toMatchObject({ error: expect.stringContaining('oops') });
  expect(listed.find(({ id }) => id === 'notes')).toMatchObject({ title: 'Notes for people' });
});

test('a home without directives/ has none', async () => {
  expect(await createDirectives({ home: temporaryFolder(), log: silentLog }).list()).toEqual([]);
});

test('two with the same id, or the same task type and project, are both broken; the others load', async () => {
  const { directives } = directivesWith({
    'a.md': fenced('id: same'),
    'b.md': fenced('id: same\ntask_type: other'),
    'c.md': fenced('task_type: job\nproject_id: p'),
    'd.md': fenced('task_type: job\nproject_id: p'),
    'e.md': fenced('task_type: job\nproject_id: q'),
  });
  const listed = await directives.list();
  expect(listed.map(({ id, kind }) => `${id} ${kind}`)).toEqual([
    'a broken',
    'b broken',
    'c broken',
    'd broken',
    'e task',
  ]);
  expect((await refusalOf(() => directives.find('job', 'p'))).code).toBe('directive_broken');
  expect((await directives.find('job', 'q')).id).toBe('e');
});

test('an exact project wins over any project', async () => {
  const { directives } = directivesWith({
    'any.md': fenced('task_type: job'),
    'one.md': fenced('task_type: job\nproject_id: p1'),
  });
  expect((await directives.find('job', 'p1')).id).toBe('one');
  expect((await directives.find('job', 'p2')).id).toBe('any');
});

test('a broken directive for this project does not let the general one stand in for it', async () => {
  const { directives } = directivesWith({
    'any.md': fenced('task_type: job'),
    'one.md': fenced('task_type: job\nproject_id: p1\nack: nonsense'),
  });
  expect((await refusalOf(() => directives.find('job', 'p1'))).code).toBe('directive_broken');
  expect((await directives.find('job', 'p2')).id).toBe('any');
});

test.each([
  ['its id is the task type', 'acme.md', 'id: pub\nproject_id: acme'],
  ['its id is quoted, with a remark', 'acme.md', '"id" : "pub" # ours\nproject_id: "acme"'],
  ['its head is in braces', 'acme.md', '{ id: pub, project_id: acme, ack: [ }'],
  ['its file has the name of the task type', 'pub.md', 'project_id: acme'],
  ['it says neither, and any project fits', 'acme.md', 'id: pub'],
])('a broken directive lets no general one stand in for it where %s', async (_, file, yaml) => {
  const { directives } = directivesWith({
    'any.md': fenced('task_type: pub'),
    [file]: fenced(`${yaml}${yaml.startsWith('{') ? '' : '\nack: nonsense'}`),
  });
  expect((await refusalOf(() => directives.find('pub', 'acme'))).code).toBe('directive_broken');
});

test('a broken directive of a megabyte of empty lines is looked through at once', async () => {
  const { directives } = directivesWith({
    'any.md': fenced('task_type: pub'),
    'acme.md': `---\nnever closed${'\n'.repeat(500_000)}${', '.repeat(200_000)}`,
  });
  expect((await directives.find('pub', 'acme')).id).toBe('any');
});

test('a broken directive of another task type does not stand in the way, though its id is the same word', async () => {
  const { directives } = directivesWith({
    'any.md': fenced('task_type: pub'),
    'other.md': fenced('id: pub\ntask_type: other\nack: nonsense'),
    'acme.md': fenced('id: pub\nproject_id: acme\nack: nonsense'),
  });
  expect((await directives.find('pub', 'p2')).id).toBe('any');
});

test('what cannot be found is named with what there is', async () => {
  const { directives } = directivesWith({
    'import-site.md': fenced('title: I'),
    'deploy.md': fenced('project_id: p1'),
    'guide.md': '# Guide\n',
  });
  const typo = await refusalOf(() => directives.find('import-sit', 'p'));
  expect(typo).toMatchObject({ code: 'directive_not_found', message: expect.stringContaining('import-site?') });
  const project = await refusalOf(() => directives.find('deploy', 'p2'));
  expect(project).toMatchObject({ code: 'directive_not_found', message: expect.stringContaining('p1') });
  expect((await refusalOf(() => directives.find('guide', 'p'))).code).toBe('directive_is_reference');
});

test('a revision is the exact bytes: one byte more is another one', async () => {
  const { home, directives } = directivesWith({ 'a.md': fenced('title: A') });
  const before = await directives.byId('a');
  writeFiles(home, { 'directives/a.md': `${fenced('title: A')}\n` });
  const after = await directives.byId('a');
  expect(after?.sha256).not.toBe(before?.sha256);
  expect(after?.content).toBe(`${fenced('title: A')}\n`);
});

test('a file that is too large, no UTF-8, or a link that leads out is broken, and says why', async () => {
  const { home, directives } = directivesWith({ 'large.md': `${fenced('title: L')}${'x'.repeat(1024 * 1024)}` });
  writeFiles(home, { 'outside.md': fenced('title: O') });
  symlinkSync('../outside.md', join(home, 'directives/link.md'));
  writeFiles(home, { 'directives/bytes.md': Buffer.from([0x2d, 0xff, 0xfe]) as unknown as string });
  const errors = Object.fromEntries(
    (await directives.list()).map((directive) => [directive.id, directive.kind === 'broken' ? directive.error : '']),
  );
  expect(errors).toEqual({
    large: expect.stringContaining('1 MiB'),
    link: expect.stringContaining('leads out'),
    bytes: expect.stringContaining('UTF-8'),
  });
});

test('Windows line ends and a byte order mark are read', async () => {
  const { directives } = directivesWith({ 'a.md': '\uFEFF---\r\ntitle: A\r\n---\r\n# A\r\n' });
  expect(await directives.byId('a')).toMatchObject({ kind: 'task', title: 'A' });
});

test('a change on the disk is told to who listens', async () => {
  const home = temporaryFolder();
  writeFiles(home, { 'directives/a.md': fenced('title: A'), 'execution/a.py': '' });
  const disk = createDiskWatch(home, silentLog);
  const news = new Promise<void>((resolve) => disk.watch(resolve));
  await disk.ready();
  writeFiles(home, { 'directives/b.md': fenced('title: B') });
  await news;
  await disk.close();
});

test('a watch that cannot begin is told to the log, ends nothing, and begins with the next listener', async () => {
  const home = temporaryFolder();
  writeFiles(home, { 'directives/a.md': fenced('title: A'), 'execution/a.py': '' });
  const { watch } = await vi.importActual<typeof import('chokidar')>('chokidar');
  const begin = vi.fn(watch).mockImplementationOnce(() => {
    throw new Error('no more watches');
  });
  vi.doMock('chokidar', () => ({ watch: begin }));
  onTestFinished(() => void vi.doUnmock('chokidar'));
  const log = { ...silentLog, warn: vi.fn() };
  const disk = createDiskWatch(home, log);
  onTestFinished(() => disk.close());
  disk.watch(() => {});
  await vi.waitFor(() => expect(log.warn).toHaveBeenCalledWith('directives.watch_failed', expect.anything()));
  const news = new Promise<void>((resolve) => disk.watch(resolve));
  await news;
});
