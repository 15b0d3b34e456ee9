// Every `sh` block of the pages is run as it stands, page by page, from the first to the last. Of programs that this
// project does not bring (npm, npx with another package, claude) only the words are looked at: nothing is fetched here.
// The systemd unit and the proxy's configuration are looked at in blocks.test.ts, by their form alone.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultIn, wordsOf } from './doe-words.js';
import { type Block, blockOf, type Page, pages, root } from './pages.js';
import { commandsIn, openReader, type Reader } from './reader.js';

/** The directive of the README with its script, on which other pages build. */
const greet = {
  'directives/greet.md': blockOf('README', 'markdown').text,
  'execution/greet.py': blockOf('README', 'python').text,
};

/** What a page takes for granted besides a new home, by its file. */
const given: Record<string, Record<string, string>> = {
  'docs/api.md': greet,
  'docs/automations.md': { 'automations/count-words.mjs': blockOf('automations', 'js').text },
};

const isCommands = ({ language }: Block): boolean => language === 'sh';
/** What works by itself; all else talks to a running `doe serve`. */
const alone = ['init', 'new', 'trust', 'doctor', 'directives', 'audit', 'backup'];
const wantsBridge = ({ text }: Block): boolean =>
  commandsIn(text).some((line) => {
    const [program = '', name = ''] = wordsOf(line);
    return program === 'curl' || (program === 'doe' && !alone.includes(name));
  });

const exitOf = ({ options }: Block): number =>
  Number(options.find((option) => option.startsWith('exit='))?.slice('exit='.length) ?? 0);

/** The same names and kinds of values at every place; null may stand for any, and a list's first item for all. */
function assertAlike(shown: unknown, real: unknown, path = 'answer'): void {
  if (Array.isArray(shown)) {
    expect(real, path).toBeInstanceOf(Array);
    if (shown.length > 0) assertAlike(shown[0], (real as unknown[])[0], `${path}[0]`);
    return;
  }
  if (shown === null || real === null) return;
  expect(typeof real, path).toBe(typeof shown);
  if (typeof shown !== 'object') return;
  expect(Object.keys(real as object).sort(), path).toEqual(Object.keys(shown).sort());
  for (const [name, value] of Object.entries(shown))
    assertAlike(value, (real as Record<string, unknown>)[name], `${path}.${name}`);
}

describe.each(pages.filter(({ blocks }) => blocks.some(isCommands)))('$file', ({ file, blocks }: Page) => {
  let reader: Reader;
  let printed = '';
  beforeAll(async () => {
    reader = await openReader({ bare: file === 'README.md', served: blocks.filter(isCommands).some(wantsBridge) });
    reader.write(given[file] ?? {});
  });
  afterAll(() => reader.close());

  test.each(blocks.filter((block) => isCommands(block) || block.options.includes('answer')))(
    '$place does what it says',
    { timeout: 120_000 },
    async (block) => {
      if (!isCommands(block)) return assertAlike(JSON.parse(block.text), JSON.parse(printed));
      const { code, stdout, stderr } = await reader.follow(block);
      expect(code, `${stdout}\n${stderr}`).toBe(exitOf(block));
      printed = stdout;
    },
  );

  test('what is typed to other programs has the right form', () => {
    for (const line of reader.outside()) expect([line, faultInOther(wordsOf(line))]).toEqual([line, null]);
  });
});

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

function faultInOther([program, ...words]: string[]): string | null {
  if (program === 'npm') {
    const [name = '', script = ''] = words;
    if (name === 'run') return script in scripts ? null : `package.json has no script ${script}`;
    return ['ci', 'cit', 'install', 'link'].includes(name) ? null : `npm ${name} is not expected`;
  }
  const start = words.indexOf('doe-dispatcher');
  return start === -1 ? null : faultIn(words.slice(start + 1));
}

test('every doe command between backticks is one that there is', () => {
  const typed = pages.flatMap(({ file, inline, blocks }) => [
    ...inline.map((code) => [file, code] as const),
    ...blocks
      .filter(({ language }) => language === 'text')
      .flatMap((block) => commandsIn(block.text).map((line) => [block.place, line] as const)),
  ]);
  const commands = typed.filter(([, code]) => /^doe [a-z]/.test(code));
  expect(commands.length).toBeGreaterThan(30);
  for (const [where, code] of commands)
    expect([where, code, faultIn(wordsOf(code).slice(1))]).toEqual([where, code, null]);
});
