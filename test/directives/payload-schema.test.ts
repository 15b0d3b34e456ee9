import { describe, expect, test } from 'vitest';
import { assertPayloadSchema, checkPayload } from '../../src/directives/payload-schema.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { place } from '../helpers/doe.js';

const dialect = 'https://json-schema.org/draft/2020-12/schema';

const faulty: Record<string, [JsonObject, string]> = {
  'an unknown type': [{ properties: { a: { type: 'nope' } } }, 'payload/properties/a/type must be equal to one of'],
  'a bound below zero': [{ properties: { a: { minLength: -1 } } }, 'payload/properties/a/minLength must be >= 0'],
  'a list that is none': [{ required: 'zip' }, 'payload/required must be array'],
  'a list with the same twice': [{ required: ['a', 'a'] }, 'payload/required must NOT have duplicate items'],
  'another dialect': [{ $schema: 'http://json-schema.org/draft-07/schema#' }, `its $schema must be ${dialect}`],
  'an unknown keyword': [{ typo: 1 }, 'unknown keyword: "typo"'],
  'a reference to nothing': [{ properties: { a: { $ref: '#/nope' } } }, "can't resolve reference #/nope"],
  'a pattern that is none': [{ properties: { a: { pattern: '(' } } }, 'Invalid regular expression'],
};

test.each(Object.entries(faulty))('%s is named', (_, [schema, fault]) => {
  expect(assertPayloadSchema(schema)).toContain(fault);
});

test('keys of other tools are welcome under x-, at any depth, and change nothing', () => {
  const schema: JsonObject = {
    type: 'object',
    'x-order': ['a'],
    additionalProperties: false,
    properties: { a: { type: 'string', 'x-ui:widget': { rows: 3 } }, 'x-doe-own': { type: 'string', 'x-Hint': 'h' } },
  };
  expect(assertPayloadSchema(schema)).toBeNull();
  expect(() => checkPayload(schema, { a: 'x', 'x-doe-own': 'y' })).not.toThrow();
  expect(() => checkPayload(schema, { a: 1 })).toThrow('/a must be string');
  expect(() => checkPayload(schema, { 'x-order': ['a'] })).toThrow('must not have the property "x-order"');
});

test.each(['x-doe-paht', 'x-doe-', 'X-Doe-Path'])('a slip in a key of ours, %s, is an unknown keyword', (key) => {
  expect(assertPayloadSchema({ properties: { a: { type: 'string', [key]: true } } })).toContain(
    `unknown keyword: "${key}"`,
  );
});

test.each([dialect, `${dialect}#`])('a schema may name its dialect: %s', ($schema) => {
  expect(assertPayloadSchema({ $schema, type: 'object' })).toBeNull();
});

describe('the command, whose build put compiled code in', () => {
  const files = Object.values(faulty).map(([payload], index) => [
    `directives/d${index}.md`,
    `---\npayload: ${JSON.stringify(payload)}\n---\n`,
  ]);
  const at = place({ 'execution/.keep': '', ...Object.fromEntries(files) });

  test('finds the same faults', async () => {
    const { stdout } = await at.doe(['directives', '--json', '--home', at.home]);
    const { directives } = JSON.parse(stdout) as { directives: { error: string }[] };
    expect(directives).toHaveLength(Object.keys(faulty).length);
    for (const [index, [, fault]] of Object.values(faulty).entries()) expect(directives[index]?.error).toContain(fault);
  });
});
