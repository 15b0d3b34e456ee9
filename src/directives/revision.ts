// One revision of a directive: the file's exact bytes, named by their sha256, and what they say.
import { sha256Hex } from '../acks/binding.js';
import { parseFrontMatter } from './front-matter.js';
import type { Directive } from './index.js';

const maxBytes = 1024 * 1024;
const fences = /^---\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/;
const emptyFences = /^---\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/;

export interface RawFile {
  /** The file's name without `.md`. */
  id: string;
  file: string;
  bytes: Buffer;
  modifiedAt: number;
}

/** What was parsed last of each file; its content alone decides whether it still counts. */
const parsed = new Map<string, Directive>();
const remembered = 1000;

/** Never throws: what cannot be used is a broken directive that says why. */
export function parseRevision(raw: RawFile): Directive {
  const sha256 = sha256Hex(raw.bytes);
  const known = parsed.get(raw.file);
  if (known?.sha256 === sha256) return { ...known, modifiedAt: raw.modifiedAt };
  const directive = parse(raw, sha256);
  if (parsed.size >= remembered) parsed.clear();
  parsed.set(raw.file, directive);
  return directive;
}

function parse({ id, file, bytes, modifiedAt }: RawFile, sha256: string): Directive {
  const content = bytes
    .subarray(0, maxBytes)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
  const common = { id, file, title: id, content, sha256, modifiedAt };
  if (bytes.length > maxBytes) return { ...common, kind: 'broken', error: 'The file is larger than 1 MiB.' };
  if (!isUtf8(bytes)) return { ...common, kind: 'broken', error: 'The file is not UTF-8 text.' };
  if (!/^---\r?\n/.test(content))
    return { ...common, kind: 'reference', title: firstHeading(content) ?? id, body: content };
  const [yaml, body] = split(content);
  if (yaml === null) return { ...common, kind: 'broken', error: 'The front matter has no closing `---` line.' };
  const read = parseFrontMatter(yaml, { id, firstHeading: firstHeading(body) });
  if (!read.ok) return { ...common, kind: 'broken', error: read.error };
  return {
    ...common,
    kind: 'task',
    id: read.frontMatter.id,
    title: read.frontMatter.title,
    frontMatter: read.frontMatter,
    body,
  };
}

function split(content: string): [string | null, string] {
  const empty = emptyFences.exec(content);
  if (empty !== null) return ['{}', empty[1] ?? ''];
  const match = fences.exec(content);
  return match === null ? [null, ''] : [match[1] ?? '', match[2] ?? ''];
}

/** Trimmed part by part: one pattern for all of it takes hours for a long line of spaces. */
function firstHeading(markdown: string): string | null {
  const line = /^#[ \t]+\S.*$/m.exec(markdown)?.[0].slice(1, 1000);
  const title = line
    ?.trim()
    .split(/[ \t]#+$/, 1)[0]
    ?.trim();
  return title === undefined || title === '' ? null : title.slice(0, 200);
}

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
