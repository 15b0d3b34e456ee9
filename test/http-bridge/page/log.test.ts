import { expect, test } from 'vitest';
import { ansiParts, plainText } from '../../../src/http-bridge/page/log.js';

const hostile: [what: string, line: string, shown: string][] = [
  ['a link', '\u001b]8;;javascript:alert(1)\u001b\\click\u001b]8;;\u001b\\ me', 'click me'],
  ['a title', '\u001b]0;title\u0007done', 'done'],
  ['a title without an end', 'done\u001b]0;title', 'done'],
  ['a string for the device', '\u001bP1$r\u001b\\done', 'done'],
  ['another character set', '\u001b(0done', 'done'],
  ['a cleared screen', '\u001b[2J\u001b[Hdone', 'done'],
  ['hidden text', '\u001b[8mdone\u001b[0m', 'done'],
  ['a line written over', 'rm -rf /\rls', 'rm -rf /\nls'],
  ['a sequence of eight bits', '\u009b31mdone', '⟨U+009B⟩31mdone'],
  ['a turned direction', 'a\u202eb', 'a⟨U+202E⟩b'],
  ['a byte of zero', 'a\u0000b', 'a⟨U+0000⟩b'],
];

test.each(hostile)('%s in a log is shown as text or not at all', (_what, line, shown) => {
  expect(
    ansiParts(line)
      .map(([, text]) => text)
      .join(''),
  ).toBe(shown);
  expect(plainText(line)).toBe(shown);
});

test('colours and decorations become classes, and nothing else does', () => {
  expect(ansiParts('\u001b[1;31mred\u001b[0m \u001b[38;2;1;2;3mtrue\u001b[0m \u001b[5;8mblink\u001b[0m')).toEqual([
    ['ansi-red ansi-bold', 'red'],
    ['', ' '],
    ['', 'true'],
    ['', ' '],
    ['', 'blink'],
  ]);
});
