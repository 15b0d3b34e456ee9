// README.md and docs/ as a reader has them: pages with their blocks, their inline code and their tables.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Block {
  language: string;
  /** What else stands behind the opening fence, such as `exit=1`. */
  options: string[];
  text: string;
  /** `docs/api.md:12`, for the names of tests. */
  place: string;
}

export interface Page {
  /** Relative to the root. */
  file: string;
  text: string;
  blocks: Block[];
  /** What stands between single backticks, outside of blocks. */
  inline: string[];
}

const fence = /^```(\S*)([^\n]*)\n([\s\S]*?)^```$/gm;

function readPage(file: string): Page {
  const text = readFileSync(join(root, file), 'utf8');
  const blocks = [...text.matchAll(fence)].map(([, language = '', options = '', code = ''], index) => ({
    language,
    options: options.split(' ').filter(Boolean),
    text: code,
    place: `${file}:${lineOf(text, index)}`,
  }));
  const prose = text.replace(fence, '');
  return { file, text, blocks, inline: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code) };
}

/** The line of the block with this number. */
const lineOf = (text: string, index: number): number =>
  text.slice(0, [...text.matchAll(fence)][index]?.index ?? 0).split('\n').length;

const inDocs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));

export const pages: Page[] = ['README.md', ...inDocs.sort().map((name) => `docs/${name}`)].map(readPage);

export function page(name: string): Page {
  const found = pages.find(({ file }) => basename(file, '.md') === name);
  if (found === undefined) throw new Error(`There is no page ${name}.`);
  return found;
}

/** The rows of the table that stands first under a heading, as cells; the head and its rule left out. */
export function tableUnder({ text, file }: Page, heading: string): string[][] {
  const section = text.split(/^#+ /m).find((part) => part.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`${file} has no heading ${heading}.`);
  const [table = ''] = /(^\|.*\n)+/m.exec(section) ?? [];
  return table
    .trim()
    .split('\n')
    .slice(2)
    .map((row) =>
      row
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

/** Each text between backticks in a cell. */
export const codesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);

/** The first block of a page in a language that holds a text. */
export function blockOf(name: string, language: string, holding = ''): Block {
  const found = page(name).blocks.find((block) => block.language === language && block.text.includes(holding));
  if (found === undefined) throw new Error(`${name} has no block of ${language} with ${holding}.`);
  return found;
}
