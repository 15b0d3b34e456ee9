import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quoted, table, visible, visibleLine } from '../../src/cli/text.js';
import { nearest, orMeant } from '../../src/suggest.js';

/** Every code point is as likely as another. */
const anyCharacter = fc.nat(0x10_ffff).map((code) => String.fromCodePoint(code));
const controls = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('text of others', () => {
  test('whatever it holds, nothing unseen is left of it but line feeds and tabs', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(visible(text).replace(/[\n\t]/g, '')).not.toMatch(controls);
      }),
    );
  });

  test('plain text of any script, and emoji, stay as they are', () => {
    const text = 'Grüße, 你好, שלום, مرحبا — ⚠️ 👍\n\tindented';
    expect(visible(text)).toBe(text);
  });

  test.each([
    ['\u001b[2J', '\\u{1b}[2J'],
    ['a\u202eb', 'a\\u{202e}b'],
    ['a\u200bb', 'a\\u{200b}b'],
    ['a\rb', 'a\\u{d}b'],
    ['a\r\nb', 'a\nb'],
    ['a\u{e0041}b', 'a\\u{e0041}b'],
    ['a\u3164b', 'a\\u{3164}b'],
    ['a\u0085b', 'a\\u{85}b'],
  ])('%j is shown as %j', (text, shown) => {
    expect(visible(text)).toBe(shown);
  });

  test('on one line, no line end is left', () => {
    expect(visibleLine('one\n  two\r\nthree')).toBe('one two three');
  });

  test('each quoted line has its margin, an empty one too', () => {
    expect(quoted('one\n\nAcknowledged')).toBe('  │ one\n  │ \n  │ Acknowledged');
  });

  test('columns stand under their heads', () => {
    expect(
      table(
        ['A', 'B'],
        [
          ['long cell', 'x'],
          ['s', 'y'],
        ],
      ),
    ).toBe('A          B\nlong cell  x\ns          y');
  });
});

describe('did you mean', () => {
  test('the nearest name, where it is near enough', () => {
    expect(nearest('import-sit', ['import-site', 'deploy-project'])).toBe('import-site');
    expect(nearest('something-else', ['import-site'])).toBeNull();
    expect(nearest('x', [])).toBeNull();
    expect(orMeant('import-site', ['import-site'])).toBe('');
  });
});
