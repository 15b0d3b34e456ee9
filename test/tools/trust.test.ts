import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { createTask, listTrust, readDirective, trustItems } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { must } from '../helpers/store-fixtures.js';
import { callers, createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';

const files = {
  ...helloHome,
  'directives/auto.md': '---\nrequire_ack: false\nversion: 1\n---\n# Auto\n',
  'execution/auto.sh': 'true\n',
  'directives/rich.md': '---\nsecrets: [NETLIFY_AUTH_TOKEN]\nintegrations: [netlify]\n---\n# Rich\n',
  'execution/rich.sh': 'true\n',
};

const itemsOf = async (app: TestApp) =>
  (await app.call(listTrust, {})).items.map(({ kind, id, sha256, script_sha256 }) => ({
    kind,
    id,
    sha256,
    script_sha256,
  }));

const create = (app: TestApp, task_type: string) =>
  app.call(createTask, { task_type, project_id: 'p', actor_id: 'me' });

describe('until it is trusted', () => {
  test('a directive that wants no ack wants one, and says why', async () => {
    const app = await createTestApp({ noWorker: true, files });
    const { status, directive, task_id } = await create(app, 'auto');
    expect([status, directive.require_ack, directive.ack, directive.trusted]).toEqual([
      'awaiting_ack',
      true,
      'client',
      false,
    ]);
    expect((await app.dispatcher.store.tasks.get(task_id))?.statusReason).toContain('doe trust auto');
    expect((await app.call(readDirective, { id: 'auto' })).withheld).toHaveLength(1);
  });

  test('what asks for more is listed with what it asks for; what asks for nothing is not', async () => {
    const app = await createTestApp({ noWorker: true, files });
    const { items } = await app.call(listTrust, {});
    expect(items.map(({ id, trusted }) => [id, trusted])).toEqual([
      ['auto', false],
      ['rich', false],
    ]);
    expect(items[1]?.asks_for.join()).toMatch(/NETLIFY_AUTH_TOKEN.*netlify/);
    expect(items[1]?.diff).toContain('+# Rich');
  });
});

describe('a yes', () => {
  test('covers exactly what was shown: another directive or script text needs another', async () => {
    const app = await createTestApp({ noWorker: true, files });
    await app.call(trustItems, { items: await itemsOf(app) });
    expect((await create(app, 'auto')).status).toBe('queued');
    app.write({ 'execution/auto.sh': 'true # changed\n' });
    expect((await create(app, 'auto')).status).toBe('awaiting_ack');
    app.write({ 'execution/auto.sh': 'true\n' });
    expect((await create(app, 'auto')).status).toBe('queued');
    app.write({ 'directives/auto.md': '---\nrequire_ack: false\nversion: 2\n---\n# Auto\n' });
    expect((await create(app, 'auto')).status).toBe('awaiting_ack');
    const changed = (await app.call(listTrust, {})).items.find(({ id }) => id === 'auto');
    expect(changed?.diff).toMatch(/^-version: 1\n\+version: 2$/m);
  });

  test('is all or nothing: with one that is not as shown, none is remembered', async () => {
    const app = await createTestApp({ noWorker: true, files });
    const [auto, rich] = await itemsOf(app);
    if (auto === undefined || rich === undefined) throw new Error('Two directives ask for trust.');
    const call = () => app.call(trustItems, { items: [auto, { ...rich, sha256: '0'.repeat(64) }] });
    expect(await refusalOf(call)).toMatchObject({ code: 'changed_since_shown' });
    expect((await app.call(listTrust, {})).items.filter(({ trusted }) => trusted)).toEqual([]);
  });

  test.each(['agent', 'stdio'] as const)('is not one of %s', async (who) => {
    const app = await createTestApp({ noWorker: true, files });
    const items = await itemsOf(app);
    expect(await refusalOf(() => app.call(trustItems, { items }, callers[who]))).toMatchObject({ code: 'not_allowed' });
    const throughMcp = { ...callers.operator, channel: 'mcp' } as const;
    expect(await refusalOf(() => app.call(trustItems, { items }, throughMcp))).toMatchObject({ code: 'not_allowed' });
  });

  test('stands in the record, with who said it', async () => {
    const app = await createTestApp({ noWorker: true, files });
    await app.call(trustItems, { items: await itemsOf(app) });
    const events = await app.dispatcher.store.ledger.events({ taskId: null, limit: 10 });
    expect(
      events.filter(({ type }) => type === 'trusted').map(({ actorId, principal }) => [actorId, principal]),
    ).toEqual([
      ['jo', 'operator'],
      ['jo', 'operator'],
    ]);
  });
});

test('over a former text stands whether it was trusted, also where it was empty or is no longer kept', async () => {
  const app = await createTestApp({ noWorker: true, files });
  const labels = async () => {
    const { diff = '' } = (await app.call(listTrust, {})).items.find(({ id }) => id === 'auto') ?? {};
    return [...diff.matchAll(/^--- (.*)$/gm)].map(([, line]) => line);
  };
  expect(await labels()).toEqual([
    'auto\tnever trusted',
    'auto (script)\tnever trusted',
    'auto (files that the script can load)\tnever trusted',
  ]);
  await app.call(trustItems, { items: await itemsOf(app) });
  app.write({
    'directives/auto.md': '---\nrequire_ack: false\nfix_script: fix.sh\n---\n# Auto\n',
    'execution/fix.sh': 'true\n',
  });
  expect(await labels()).toEqual([
    'auto\ttrusted',
    'auto (fix script)\ttrusted',
    'auto (files that the script can load)\ttrusted',
  ]);
  const db = new Database(join(app.home, 'db.sqlite'));
  db.exec('DELETE FROM contents');
  db.close();
  expect((await labels())[0]).toBe('auto\ttrusted, and no longer kept');
});

test('an older revision of a directive can be read as it was, without a policy in force', async () => {
  const app = await createTestApp({ noWorker: true, files });
  const { directive } = await create(app, 'auto');
  app.write({ 'directives/auto.md': '---\nversion: 9\n---\n# Other\n' });
  const old = await app.call(readDirective, { id: 'auto', sha256: directive.sha256 });
  expect([old.content, old.require_ack, old.sha256]).toEqual([files['directives/auto.md'], null, directive.sha256]);
  expect((await app.call(readDirective, { id: 'auto' })).content).toContain('version: 9');
  const unknown = () => app.call(readDirective, { id: 'auto', sha256: '0'.repeat(64) });
  expect(await refusalOf(unknown)).toMatchObject({ code: 'directive_not_found' });
});

test('a script’s digest, or the revision of another directive, reads no text in a directive’s name', async () => {
  const app = await createTestApp({ noWorker: true, files });
  const { task_id, directive } = await create(app, 'auto');
  const { scriptSha256 } = must(await app.dispatcher.store.tasks.get(task_id)).pins;
  expect(await app.dispatcher.store.ledger.content(scriptSha256)).not.toBeNull();
  for (const [id, sha256] of [
    ['auto', scriptSha256],
    ['rich', directive.sha256],
  ] as const)
    expect(await refusalOf(() => app.call(readDirective, { id, sha256 }))).toMatchObject({
      code: 'directive_not_found',
    });
});
