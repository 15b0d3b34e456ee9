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

/** Never throws: what cannot be used is a broken directive that says why. */
export function parseRevision({ id, file, bytes, modifiedAt }: RawFile): Directive {
  const sha256 = sha256Hex(bytes);
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
  const parsed = parseFrontMatter(yaml, { id, firstHeading: firstHeading(body) });
  if (!parsed.ok) return { ...common, kind: 'broken', error: parsed.error };
  return {
    ...common,
    kind: 'task',
    id: parsed.frontMatter.id,
    title: parsed.frontMatter.title,
    frontMatter: parsed.frontMatter,
    body,
  };
}

function split(content: string): [string | null, string] {
  const empty = emptyFences.exec(content);
  if (empty !== null) return ['{}', empty[1] ?? ''];
  const match = fences.exec(content);
  return match === null ? [null, ''] : [match[1] ?? '', match[2] ?? ''];
}

const firstHeading = (markdown: string): string | null =>
  /^#\s+(.+?)\s*#*\s*$/m.exec(markdown)?.[1]?.slice(0, 200) ?? null;

function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
