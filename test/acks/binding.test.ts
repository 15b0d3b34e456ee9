import { expect, test } from 'vitest';
import { canonicalSha256, sha256Hex } from '../../src/acks/binding.js';

test('a hash is over the canonical form, whatever the order of keys', () => {
  expect(canonicalSha256({ b: 1, a: [null] })).toBe(sha256Hex('{"a":[null],"b":1}'));
});

test.each([undefined, () => 1, Symbol('x')])(
  'what is no JSON (%s) has no hash, rather than that of nothing',
  (value) => {
    expect(() => canonicalSha256(value)).toThrow(expect.objectContaining({ code: 'internal' }));
  },
);
