import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, depthOf, parseJsonStrict } from '../../src/directives/json.js';
import type { JsonValue } from '../../src/tasks/outcome.js';
import { refusalOf } from '../helpers/errors.js';

test('a duplicate key is refused at any depth, also where one is written with an escape', async () => {
  for (const text of ['{"a":1,"a":2}', '{"x":[{"b":1,"b":1}]}', '{"a":1,"\\u0061":2}'])
    expect((await refusalOf(() => parseJsonStrict(text))).code).toBe('invalid_input');
});

test('prototype keys are refused or plain data, and never reach a prototype', async () => {
  expect((await refusalOf(() => parseJsonStrict('{"__proto__":{"polluted":1}}'))).message).toContain('__proto__');
  const value = parseJsonStrict('{"constructor":{"prototype":{"polluted":1}}}');
  expect(canonicalJson(value)).toBe('{"constructor":{"prototype":{"polluted":1}}}');
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('nesting past a hundred levels is refused, not a stack overflow', async () => {
  for (const deep of ['['.repeat(30_000), '{"a":'.repeat(10_000), `${'['.repeat(101)}${']'.repeat(101)}`])
    expect((await refusalOf(() => parseJsonStrict(deep))).code).toBe('invalid_input');
  expect(depthOf(`${'['.repeat(100)}${']'.repeat(100)}`)).toBe(100);
  expect(depthOf('{"a":"[[[{{{\\"[["}')).toBe(1);
});

test.each(['', 'nul', '{a:1}', "{'a':1}", '{"a":1,}', '[1] 2', '// x\n1'])('%j is no JSON', async (text) => {
  expect((await refusalOf(() => parseJsonStrict(text))).code).toBe('invalid_input');
});

test.each([
  '9007199254740993',
  '-9007199254740993',
  '1152921504606846976',
  '12345678901234567890',
  `1${'0'.repeat(300)}1`,
  '1e999',
])('the number %s, which no double holds, is refused by its path', async (literal) => {
  const refusal = await refusalOf(() => parseJsonStrict(`{"a":[1,{"n":${literal}}]}`, 'payload_json'));
  expect(refusal).toMatchObject({ code: 'invalid_input', hint: 'Send it as a text.' });
  expect(refusal.message).toMatch(/^payload_json has .* at \/a\/1\/n\.$/);
  expect((await refusalOf(() => parseJsonStrict(literal))).message).toContain('at its root');
});

test.each([
  ['9007199254740991', '9007199254740991'],
  ['-9007199254740992', '-9007199254740992'],
  ['1152921504606847000', '1152921504606847000'],
  ['1000000000000000000000', '1e+21'],
  ['-1500000000000000000000000', '-1.5e+24'],
  ['-0', '0'],
  ['0.1000000000000000055', '0.1'],
  ['9007199254740993.0', '9007199254740992'],
  ['"9007199254740993"', '"9007199254740993"'],
])('%s is taken, as RFC 8785 writes it', (literal, canonical) => {
  expect(canonicalJson(parseJsonStrict(literal))).toBe(canonical);
  // What was stored is parsed again at every look.
  expect(canonicalJson(parseJsonStrict(canonical))).toBe(canonical);
});

test('a lone surrogate cannot be made canonical', async () => {
  for (const text of ['"\\ud800"', '{"\\udfff":1}'])
    expect((await refusalOf(() => canonicalJson(parseJsonStrict(text)))).code).toBe('invalid_input');
  expect(canonicalJson('😀 \\ud800 as text')).toBe('"😀 \\\\ud800 as text"');
});

test('the canonical form is the same for every order of keys, and means the same', () => {
  const keyed = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(keyed, (value) => {
      const reversed = Object.fromEntries(Object.entries(value).reverse());
      const canonical = canonicalJson(value as JsonValue);
      expect(canonicalJson(reversed as JsonValue)).toBe(canonical);
      expect(canonicalJson(JSON.parse(canonical))).toBe(canonical);
    }),
  );
});

test('a text of escaped quotes that closes no string costs its length, not its square', async () => {
  expect((await refusalOf(() => parseJsonStrict(`{"a":"${'\\"'.repeat(250_000)}`))).code).toBe('invalid_input');
  expect(depthOf('{"a":"\\\\"}[[')).toBe(2);
});
