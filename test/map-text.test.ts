import { expect, test } from 'vitest';
import { mapText } from '../src/map-text.js';

const upper = (text: string) => text.toUpperCase();

test('every text is changed, names of fields included, and nothing else', () => {
  expect(mapText({ a: ['b', 1, null, true, { c: 'd' }] }, upper)).toEqual({ A: ['B', 1, null, true, { C: 'D' }] });
});

test('a field named __proto__ stays a field, also where the change makes the name', () => {
  const given = JSON.parse('{"__proto__": {"a": "b"}}');
  expect(JSON.stringify(mapText(given, (text) => text))).toBe('{"__proto__":{"a":"b"}}');
  const renamed = mapText({ secret: { admin: true } }, (text) => text.replace('secret', '__proto__'));
  expect(JSON.stringify(renamed)).toBe('{"__proto__":{"admin":true}}');
  expect(Object.getPrototypeOf(renamed)).toBe(Object.prototype);
});
