import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkedPayload } from '../../src/directives/payload.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { secretPayloadValues, visiblePayload } from '../../src/tasks/task.js';
import { refusalOf } from '../helpers/errors.js';
import { temporaryFolder, writeFiles } from '../helpers/test-app.js';

const pathSchema: JsonObject = { type: 'object', properties: { zip: { type: 'string', 'x-doe-path': true } } };
const refused = (home: string, payload: string | JsonObject, schema: JsonObject | null = pathSchema) =>
  refusalOf(() => checkedPayload(home, schema, payload));

test('every fault is named by its path', async () => {
  const schema: JsonObject = {
    type: 'object',
    required: ['name', 'size'],
    additionalProperties: false,
    properties: {
      name: { type: 'string', minLength: 2 },
      size: { type: 'integer' },
      kind: { enum: ['a', 'b'] },
      list: { type: 'array', items: { type: 'number' } },
    },
  };
  const error = await refused('/tmp', { name: 'x', kind: 'c', list: [1, 'two'], extra: 1 }, schema);
  expect(error.code).toBe('invalid_payload');
  const faults = error.details?.faults as { path: string; message: string }[];
  expect(faults.map(({ path }) => path).sort()).toEqual(['/', '/', '/kind', '/list/1', '/name']);
  for (const part of ['"extra"', "'size'", '"a", "b"']) expect(error.message).toContain(part);
});

test('no payload is an empty object, and only objects are payloads', async () => {
  expect(await checkedPayload('/tmp', null, undefined)).toMatchObject({ payloadJson: '{}', filesSha256: null });
  for (const text of ['[]', '1', 'null', '"x"'])
    expect((await refused('/tmp', text, null)).code).toBe('invalid_payload');
});

test('the same payload in another order of keys is the same payload', async () => {
  const [one, other] = await Promise.all([
    checkedPayload('/tmp', null, '{"b": 1, "a": [1.0, 2]}'),
    checkedPayload('/tmp', null, { a: [1, 2], b: 1 }),
  ]);
  expect(one.payloadJson).toBe('{"a":[1,2],"b":1}');
  expect(one.payloadSha256).toBe(other.payloadSha256);
});

test('64 KiB is the most, as text and as an object', async () => {
  const fits = { text: 'x'.repeat(65_536 - '{"text":""}'.length) };
  expect((await checkedPayload('/tmp', null, fits)).payloadJson).toHaveLength(65_536);
  const more = { text: `${fits.text}x` };
  expect((await refused('/tmp', more, null)).code).toBe('too_large');
  expect((await refused('/tmp', JSON.stringify(more), null)).code).toBe('too_large');
});

test('a payload that nests too deep is refused in both forms', async () => {
  const text = `{"a":${'['.repeat(200)}${']'.repeat(200)}}`;
  expect((await refused('/tmp', text, null)).code).toBe('invalid_input');
  expect((await refused('/tmp', JSON.parse(text) as JsonObject, null)).code).toBe('invalid_payload');
});

test('a named file counts by its content, a named folder by all that is in it', async () => {
  const home = temporaryFolder();
  writeFiles(home, { 'in/a.zip': 'one', 'site/index.html': 'x', 'site/.htaccess': 'x' });
  const digest = async (zip: string) => (await checkedPayload(home, pathSchema, { zip })).filesSha256;
  const [file, folder] = [await digest('in/a.zip'), await digest('site')];
  expect(await digest('./in/a.zip')).toBe(file);
  writeFiles(home, { 'in/a.zip': 'two', 'site/.htaccess': 'changed' });
  expect(await digest('in/a.zip')).not.toBe(file);
  expect(await digest('site')).not.toBe(folder);
});

test.each([
  ['../outside.txt', 'leads out of the home'],
  ['/etc/passwd', 'leads out of the home'],
  ['in/../../outside.txt', 'leads out of the home'],
  ['in/away', 'leads out of the home'],
  ['away/outside.txt', 'leads out of the home'],
  ['in/round', 'leads out of the home'],
  ['in/none.zip', 'does not exist'],
  ['in/a.zip/b', 'does not exist'],
  ['a\0b', 'leads out of the home'],
  ['.env', 'hidden'],
  ['in/env', 'hidden'],
  ['db.sqlite', 'database'],
  ['DB.SQLITE-wal', 'database'],
  ['.', 'the home itself'],
  ['', 'must name'],
])('the path %j is refused: %s', async (zip, why) => {
  const around = temporaryFolder();
  const home = join(around, 'home');
  writeFiles(around, {
    'outside.txt': 'x',
    'home/in/a.zip': 'x',
    'home/.env': 'S=1',
    'home/db.sqlite': '',
    'home/DB.SQLITE-wal': '',
  });
  symlinkSync(join(around, 'outside.txt'), join(home, 'in/away'));
  symlinkSync(around, join(home, 'away'));
  symlinkSync('round', join(home, 'in/round'));
  symlinkSync('../.env', join(home, 'in/env'));
  const error = await refused(home, { zip });
  expect(error.code).toBe('invalid_payload');
  expect(error.message).toContain(why);
  expect(error.details).toEqual({ faults: [{ path: '/zip', message: expect.any(String) }] });
});

test('a named folder with a link that leads out of it is refused', async () => {
  const home = temporaryFolder();
  writeFiles(home, { 'site/index.html': 'x', secret: 'x' });
  symlinkSync('../secret', join(home, 'site/link'));
  expect((await refused(home, { zip: 'site' })).message).toContain('link that leads out');
});

test('paths are found in lists and behind $ref', async () => {
  const home = temporaryFolder();
  writeFiles(home, { 'a.txt': '1', 'b.txt': '1' });
  const schema: JsonObject = {
    type: 'object',
    $defs: { file: { type: 'string', 'x-doe-path': true } },
    properties: { files: { type: 'array', items: { $ref: '#/$defs/file' } } },
  };
  const before = await checkedPayload(home, schema, { files: ['a.txt', 'b.txt'] });
  writeFileSync(join(home, 'b.txt'), '2');
  expect((await checkedPayload(home, schema, { files: ['a.txt', 'b.txt'] })).filesSha256).not.toBe(before.filesSha256);
});

test('a secret property is masked for people, known for redaction at any depth, and kept for the script', async () => {
  const schema: JsonObject = {
    type: 'object',
    properties: { user: { type: 'string' }, auth: { type: 'object', 'x-doe-secret': true } },
  };
  const { payloadJson, secretPaths } = await checkedPayload('/tmp', schema, {
    user: 'jo',
    auth: { key: 'hush-hush', more: ['quite-quiet', 7] },
  });
  expect(secretPaths).toEqual(['/auth']);
  expect(payloadJson).toContain('hush-hush');
  expect(visiblePayload({ payloadJson, secretPaths })).toEqual({ user: 'jo', auth: '(set, not shown)' });
  expect(secretPayloadValues({ payloadJson, secretPaths })).toEqual(['hush-hush', 'quite-quiet']);
});

test('two directives may use the same $id in their schemas', async () => {
  const schema = (type: string): JsonObject => ({
    $id: 'https://example.org/payload',
    type: 'object',
    properties: { a: { type } },
  });
  await checkedPayload('/tmp', schema('string'), { a: 'x' });
  await checkedPayload('/tmp', schema('number'), { a: 1 });
});

test('a pattern that would run for hours is ended, and everything else goes on', async () => {
  const schema: JsonObject = { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } };
  expect((await refused('/tmp', { a: `${'a'.repeat(100)}!` }, schema)).code).toBe('directive_broken');
  expect((await checkedPayload('/tmp', schema, { a: 'aaa' })).payloadJson).toBe('{"a":"aaa"}');
});

test('of thousands of faults the first are named', async () => {
  const schema: JsonObject = { type: 'object', properties: { a: { items: { type: 'string' } } } };
  const { details } = await refused('/tmp', { a: Array(30_000).fill(1) }, schema);
  expect(details?.faults).toHaveLength(50);
});
