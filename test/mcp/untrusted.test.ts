// Text from outside: what would drive a terminal, or cannot be seen, never reaches a model.
import { expect, test } from 'vitest';
import { mapJsonText, plainText, visibleLine } from '../../src/mcp/untrusted.js';

test.each([
  ['colours', '\u001b[1;31mred\u001b[0m', 'red'],
  ['colours by a single control character', '\u009b31mred\u009b0m', 'red'],
  ['a title', '\u001b]0;title\u0007text', 'text'],
  ['a link', '\u001b]8;;http://x.example\u001b\\text\u001b]8;;\u001b\\', 'text'],
  ['a link by single control characters', '\u009d8;;http://x.example\u009ctext', 'text'],
  ['a device string with what it holds', '\u001bPhidden words\u001b\\text', 'text'],
  ['a choice of characters', '\u001b(0text', 'text'],
  ['a sequence that never ends', '\u001b]0;text', '0;text'],
  ['bell, backspace, carriage return', 'te\u0007\bx\rt', 'text'],
  ['zero-width characters', 't\u200be\u200cx\u200dt\ufeff\u2060', 'text'],
  ['characters that turn the writing', '\u202etext\u202c\u2066\u2069\u200f', 'text'],
  ['tags', `te${String.fromCodePoint(0xe0041, 0xe007f)}xt`, 'text'],
  ['variation selectors that carry bytes', 'te\ufe01\u{e0120}xt', 'text'],
  ['fillers', 'te\u3164\u115f\u034f\u180bxt', 'text'],
  ['separators of lines that nobody counts', 'te\u2028xt\u2029', 'text'],
])('%s', (_, given, left) => {
  expect(plainText(given)).toBe(left);
});

test('tabs, line ends and letters of every kind stay', () => {
  const text = 'a\tb\nç 漢字 עברית ไทย 💥 e\u0301';
  expect(plainText(text)).toBe(text);
});

test('in JSON they are found behind their escapes, in names of fields too', () => {
  expect(JSON.parse(mapJsonText('{"a\\u200b":["\\u001b[31mred"]}', plainText))).toEqual({ a: ['red'] });
  expect(mapJsonText('no json\u200b', plainText)).toBe('no json');
});

test('for a person they are written out instead', () => {
  expect(visibleLine('fine\u202e\u3164')).toBe('fine\\u{202e}\\u{3164}');
});

test('for a person one line stays one line', () => {
  expect(visibleLine('tidy.sh\nPayload {}\r\n\tx\u2028\u2029\u0085')).toBe(
    'tidy.sh\\u{a}Payload {}\\u{d}\\u{a}\\u{9}x\\u{2028}\\u{2029}\\u{85}',
  );
});
