// Hashes of files and trees, bounded in number and size. Links are looked at, never followed out of the tree.
import { createHash } from 'node:crypto';
import { createReadStream, type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import picomatch from 'picomatch';
import { sha256Hex } from '../acks/binding.js';
import type { DispatcherError } from '../errors.js';
import { withinTime } from '../time-limit.js';
import { containedPath } from './contain.js';
import { canonicalJson } from './json.js';

export const coverLimits = { files: 2000, bytes: 64 * 1024 * 1024 };

/** Small files are read in one go: a way through the thread pool costs more than the reading. */
const smallBytes = 128 * 1024;

export async function fileSha256(path: string): Promise<string> {
  if (statSync(path).size <= smallBytes) return sha256Hex(readFileSync(path));
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export interface TreeOptions {
  patterns: string[];
  /** Names of files and folders that are passed over wherever they stand, unless a pattern mentions them. */
  skip?: readonly string[];
  /** Whether names that begin with a dot count. */
  hidden?: boolean;
  /** Whether a link to a folder of the same tree may stand for itself: only where the tree is covered whole. */
  folderLinks?: boolean;
  limits?: { files: number; bytes: number };
  /** Makes the refusal of a tree that cannot be covered. */
  refuse: (why: string) => DispatcherError;
}

/**
 * The content of the files below `folder` that match, by relative name.
 * @throws what `refuse` makes: too many, too large, unreadable, a link that leads out
 */
export async function treeDigests(folder: string, options: TreeOptions): Promise<Record<string, string>> {
  // A file may go between the listing and the reading: an editor's temporary one, for instance.
  return digestsOnce(folder, options).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return digestsOnce(folder, options);
    throw error;
  });
}

async function digestsOnce(folder: string, options: TreeOptions): Promise<Record<string, string>> {
  const { limits = coverLimits, refuse } = options;
  const root = await realpath(folder);
  const found: Found = { files: [], links: [] };
  await walk(root, '', { ...options, matches: matcher(options) }, found);
  const bytes = found.files.reduce((sum, name) => sum + statSync(join(root, name)).size, 0);
  if (bytes > limits.bytes)
    throw refuse(
      `${basename(root)}/ has ${Math.ceil(bytes / 1024 / 1024)} MiB to cover, more than ${limits.bytes / 1024 / 1024} MiB`,
    );
  // Kept as entries: as a key that is assigned, the name `__proto__` would be lost, and its file not covered.
  const digests = [...found.links];
  for (const [index, name] of found.files.sort().entries()) {
    // Others have their turn between a hundred files.
    if (index % 100 === 99) await breathe();
    const digest = await fileSha256(join(root, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') throw error;
      throw refuse(`${name} cannot be read (${error.code})`);
    });
    digests.push([name, digest]);
  }
  return Object.fromEntries(digests);
}

interface Found {
  files: string[];
  /** Links to folders, with what stands for their content. */
  links: [name: string, digest: string][];
}

const longestMatchMs = 500;

/** Stars multiply each other's work, and groups that repeat have no bound at all: such patterns are matched against the clock. */
const isCostly = (pattern: string): boolean => /[()+]/.test(pattern) || (pattern.match(/\*+/g) ?? []).length > 2;

/** Whether a pattern speaks of this name to have it, and not to leave it out. */
const mentions = (pattern: string, name: string): boolean =>
  !/^!(?!\()/.test(pattern) && pattern.split('/').some((part) => part.includes(name) && !part.startsWith('!'));

/** What stands below a name that is passed over takes a pattern that mentions it: the stars of another do not reach it. */
function matcher(options: TreeOptions): (name: string) => boolean {
  const matches = matcherOf(options);
  const mentioned = (options.skip ?? []).flatMap((skipped) => {
    const patterns = options.patterns.filter((pattern) => mentions(pattern, skipped));
    return patterns.length === 0 ? [] : [{ skipped, matches: matcherOf({ ...options, patterns }) }];
  });
  if (mentioned.length === 0) return matches;
  return (name) => {
    const parts = name.split('/');
    return matches(name) && mentioned.every((one) => !parts.includes(one.skipped) || one.matches(name));
  };
}

function matcherOf({ patterns, hidden = false, refuse }: TreeOptions): (name: string) => boolean {
  const matches = picomatch(patterns, { dot: hidden });
  if (!patterns.some(isCostly)) return matches;
  return (name) => {
    const matched = withinTime(() => matches(name), longestMatchMs);
    if (matched === null) throw refuse('its patterns take too long to match');
    return matched.value;
  };
}

type Walk = TreeOptions & { matches: (name: string) => boolean };

async function walk(root: string, below: string, options: Walk, found: Found): Promise<void> {
  const { patterns, skip = [], limits = coverLimits, refuse, matches } = options;
  const hidden = options.hidden ?? patterns.some((pattern) => /(^|\/)\./.test(pattern));
  for (const entry of entriesOf(join(root, below), refuse)) {
    const name = below === '' ? entry.name : `${below}/${entry.name}`;
    if (!hidden && entry.name.startsWith('.')) continue;
    if (skip.includes(entry.name) && !patterns.some((pattern) => mentions(pattern, entry.name))) continue;
    if (entry.isDirectory()) {
      await walk(root, name, options, found);
      continue;
    }
    if (!matches(name)) continue;
    if (name.includes('\uFFFD')) throw refuse(`the name ${JSON.stringify(name)} is not valid UTF-8`);
    await note(root, name, { entry, options, found });
    if (found.files.length > limits.files)
      throw refuse(`${basename(root)}/ has more than ${limits.files} files to cover`);
  }
}

function entriesOf(folder: string, refuse: TreeOptions['refuse']): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw error;
    throw refuse(`${basename(folder)}/ cannot be read (${code})`);
  }
}

async function note(
  root: string,
  name: string,
  { entry, options, found }: { entry: Dirent; options: TreeOptions; found: Found },
): Promise<void> {
  const { refuse, folderLinks = false } = options;
  if (entry.isFile()) {
    found.files.push(name);
    return;
  }
  // Pipes, sockets and devices have no content that could be covered, nor loaded.
  if (!entry.isSymbolicLink()) return;
  const target = await containedPath(root, name);
  if (target === 'missing') return;
  if (target === 'outside') throw refuse(`${name} is a link that leads out of ${basename(root)}/`);
  const facts = await stat(target.path);
  if (facts.isFile()) found.files.push(name);
  else if (facts.isDirectory() && folderLinks) found.links.push([name, `link:${target.path.slice(root.length)}`]);
  else if (facts.isDirectory()) throw refuse(`${name} is a link to a folder`);
}

/** One digest over named digests. */
export const digestOf = (parts: Record<string, string | null>): string => sha256Hex(canonicalJson(parts));
