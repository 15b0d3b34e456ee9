import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { listAutomations, runAutomation } from '../../src/tools/automations.js';
import { callers, createTestApp, type TestApp, temporaryFolder } from '../helpers/test-app.js';

const home = (files: Record<string, string> = {}): Promise<TestApp> =>
  createTestApp({ files, kind: 'command', start: false });

const run = async (app: TestApp, name: string, params: JsonObject = {}, dryRun = false): Promise<JsonObject> =>
  (await app.call(runAutomation, { automation: name, params, dryRun }, callers.agent)).result as JsonObject;

const read = (app: TestApp, path: string): string => readFileSync(join(app.home, path), 'utf8');

const client = (app: TestApp, name: string, dryRun = false) =>
  run(app, 'create-client-folder', { client_name: name }, dryRun);

const copy = (app: TestApp, params: JsonObject, dryRun = false) => run(app, 'copy-template', params, dryRun);

const reservedPlaces = [
  'directives/x',
  'execution',
  'Execution/x',
  'automations/x',
  'anneal-tasks/x',
  '.env',
  '.git/x',
  'sites/.hidden',
  'db.sqlite',
  'db.sqlite-wal',
  'DB.sqlite.bak/x',
  '.',
];
const outside = ['..', '../elsewhere', 'sites/../../elsewhere', '/tmp/elsewhere', 'a\0b'];

it('lists the built-in automations with the schema of their params', async () => {
  const { automations } = await (await home()).call(listAutomations, {});
  expect(automations.map(({ name, can_plan, trusted }) => [name, can_plan, trusted])).toEqual([
    ['create-client-folder', true, true],
    ['copy-template', true, true],
    ['list-clients', false, true],
  ]);
  expect(automations[0]?.params).toMatchObject({ required: ['client_name'] });
});

describe('create-client-folder', () => {
  it('makes numbered folders and a profile, and says what it wrote', async () => {
    const app = await home();
    const planned = await client(app, 'acme-bakery', true);
    expect(existsSync(join(app.home, 'clients'))).toBe(false);
    const { wrote } = await client(app, 'acme-bakery');
    expect(planned.would_write).toEqual(wrote);
    for (const path of wrote as string[]) expect(existsSync(join(app.home, path)), path).toBe(true);
    expect(JSON.parse(read(app, 'clients/acme-bakery/profile.json'))).toMatchObject({ title: 'Acme Bakery' });
    expect(readdirSync(join(app.home, 'clients'))).toEqual(['acme-bakery']);
    expect(await run(app, 'list-clients')).toMatchObject({ clients: [{ name: 'acme-bakery', error: null }] });
  });

  it('refuses a client that exists and leaves it as it is', async () => {
    const app = await home({ 'clients/acme/note.txt': 'mine' });
    await expect(client(app, 'acme')).rejects.toMatchObject({ code: 'wrong_state' });
    await expect(client(app, 'acme', true)).rejects.toMatchObject({ code: 'wrong_state' });
    expect(readdirSync(join(app.home, 'clients/acme'))).toEqual(['note.txt']);
  });

  it('gives a name to one of several at once', async () => {
    const app = await home();
    const all = await Promise.allSettled(Array.from({ length: 8 }, () => client(app, 'acme')));
    expect(all.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(readdirSync(join(app.home, 'clients'))).toEqual(['acme']);
  });

  it.each(['Acme', 'acme_bakery', 'a--b', '-a', 'a-', '', '../x', 'a/b', '.a', 'äcme', 'a b', 'x'.repeat(61), 'a\n'])(
    'refuses the name %j',
    async (name) => {
      const app = await home();
      await expect(client(app, name)).rejects.toMatchObject({ code: 'invalid_input' });
      expect(existsSync(join(app.home, 'clients'))).toBe(false);
    },
  );

  it.each(['directives', '.secret', 'elsewhere'])('follows no clients folder that is a link to %s', async (where) => {
    const app = await home();
    const target = where === 'elsewhere' ? temporaryFolder() : join(app.home, where);
    mkdirSync(target, { recursive: true });
    symlinkSync(target, join(app.home, 'clients'));
    await expect(client(app, 'acme')).rejects.toMatchObject({ code: 'invalid_input' });
    expect(readdirSync(target)).toEqual([]);
  });

  it('leaves nothing behind where it cannot write all', async () => {
    const app = await home();
    writeFileSync(join(app.home, 'clients'), 'a file in the way');
    await expect(client(app, 'acme')).rejects.toMatchObject({ code: 'automation_failed' });
    expect(read(app, 'clients')).toBe('a file in the way');
  });
});

describe('list-clients', () => {
  it('passes over what is no client and says which profile cannot be read', async () => {
    const app = await home({
      'clients/b/profile.json': '{"title":"B"}',
      'clients/a/profile.json': '{broken',
      'clients/_drafts/x': '',
      'clients/.hidden/x': '',
      'clients/file.txt': '',
    });
    symlinkSync('/etc', join(app.home, 'clients', 'linked'));
    const { clients } = await run(app, 'list-clients');
    expect(clients).toEqual([
      { name: 'a', profile: null, error: expect.stringContaining('profile.json') as string },
      { name: 'b', profile: { title: 'B' }, error: null },
    ]);
  });

  it('is empty in a new home', async () => {
    expect(await run(await home(), 'list-clients')).toEqual({ clients: [] });
  });
});

describe('copy-template', () => {
  const template = {
    'templates/site/index.html': '<h1>{{name}}</h1> {{ name }} {{other}}',
    'templates/site/{{name}}/about.txt': '{{name}} {{{name}}}',
    'templates/site/empty/.keep': '',
    'templates/site/.env': 'SECRET=1',
  };

  it('fills in contents and names, and says what it wrote, left out and left unfilled', async () => {
    const app = await home(template);
    const params = { template: 'templates/site', target: 'sites/acme', values: { name: 'Acme $& Co' } };
    const planned = await copy(app, params, true);
    expect(existsSync(join(app.home, 'sites'))).toBe(false);
    const result = await copy(app, params);
    expect(result).toEqual({
      wrote: planned.would_write,
      skipped: ['.env', 'empty/.keep'],
      unfilled: ['other'],
    });
    expect(read(app, 'sites/acme/index.html')).toBe('<h1>Acme $& Co</h1> Acme $& Co {{other}}');
    expect(read(app, 'sites/acme/Acme $& Co/about.txt')).toBe('Acme $& Co {Acme $& Co}');
    expect(readdirSync(join(app.home, 'sites/acme')).sort()).toEqual(['Acme $& Co', 'empty', 'index.html']);
  });

  it('copies what is no text as it is, and keeps a script executable', async () => {
    const app = await home();
    mkdirSync(join(app.home, 't'));
    const binary = Buffer.concat([Buffer.from('{{name}}'), Buffer.from([0, 255, 254])]);
    writeFileSync(join(app.home, 't/logo.png'), binary);
    writeFileSync(join(app.home, 't/build.sh'), 'echo {{name}}', { mode: 0o755 });
    await copy(app, { template: 't', target: 'out', values: { name: 'x' } });
    expect(readFileSync(join(app.home, 'out/logo.png'))).toEqual(binary);
    expect(statSync(join(app.home, 'out/build.sh')).mode & 0o111).toBe(0o111);
    expect(read(app, 'out/build.sh')).toBe('echo x');
  });

  it('follows no link', async () => {
    const app = await home({ 't/a.txt': 'a' });
    const elsewhere = temporaryFolder();
    writeFileSync(join(elsewhere, 'secret.txt'), 'secret');
    symlinkSync(elsewhere, join(app.home, 't/folder'));
    symlinkSync(join(elsewhere, 'secret.txt'), join(app.home, 't/file.txt'));
    expect(await copy(app, { template: 't', target: 'out' })).toMatchObject({
      wrote: ['out/a.txt'],
      skipped: ['file.txt', 'folder'],
    });
    symlinkSync(elsewhere, join(app.home, 'away'));
    await expect(copy(app, { template: 'away', target: 'x' })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(copy(app, { template: 't', target: 'away/x' })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(readdirSync(elsewhere)).toEqual(['secret.txt']);
  });

  it.each([...reservedPlaces, ...outside])('never writes to %j', async (target) => {
    const app = await home({ ...template, 'directives/keep.md': '# x' });
    const before = readdirSync(app.home, { recursive: true }).filter((name) => !String(name).startsWith('db.sqlite'));
    await expect(copy(app, { template: 'templates/site', target, values: { name: 'x' } })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    const after = readdirSync(app.home, { recursive: true }).filter((name) => !String(name).startsWith('db.sqlite'));
    expect(after).toEqual(before);
  });

  it('reads no template from a reserved place, and none that is missing or a file', async () => {
    const app = await home({ ...template, 'file.txt': '' });
    for (const from of ['.', '.env', 'db.sqlite', 'directives', '../x', 'nowhere', 'file.txt']) {
      await expect(copy(app, { template: from, target: 'out' }), from).rejects.toMatchObject({ code: 'invalid_input' });
    }
  });

  it('refuses a target that exists, lies in the template, or is a link to nowhere', async () => {
    const app = await home({ ...template, 'sites/acme/x': '' });
    symlinkSync('/nowhere/at/all', join(app.home, 'dangling'));
    const to = (target: string) => copy(app, { template: 'templates/site', target, values: { name: 'x' } });
    await expect(to('sites/acme')).rejects.toMatchObject({ code: 'wrong_state' });
    await expect(to('templates/site/inner')).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(to('dangling')).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(to('dangling/x')).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it.each(['../up', '.hidden', 'a/b', '', 'a\u0000b'])('refuses a value that makes %j of a file name', async (name) => {
    const app = await home({ 't/{{name}}': '' });
    await expect(copy(app, { template: 't', target: 'out', values: { name } })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    expect(existsSync(join(app.home, 'out'))).toBe(false);
  });

  it('refuses two names that become one', async () => {
    const app = await home({ 't/{{a}}.txt': '', 't/{{b}}.txt': '' });
    await expect(copy(app, { template: 't', target: 'out', values: { a: 'same', b: 'same' } })).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });
});
