// Hashes of files and trees, bounded in number and size.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { glob } from 'tinyglobby';
import { sha256Hex } from '../acks/binding.js';
import { DispatcherError } from '../errors.js';
import { isInside } from './contain.js';
import { canonicalJson } from './json.js';

export const coverLimits = { files: 2000, bytes: 64 * 1024 * 1024 };

export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export interface TreeOptions {
  patterns: string[];
  ignore?: string[];
  /** What a refusal of too much says to do. */
  hint: string;
  limits?: { files: number; bytes: number };
}

/**
 * The content of the files below `folder` that match, by relative name.
 * @throws DispatcherError `too_much_covered`; `invalid_payload` for a link that leads out
 */
export async function treeDigests(
  folder: string,
  { patterns, ignore = [], hint, limits = coverLimits }: TreeOptions,
): Promise<Record<string, string>> {
  const names = await glob(patterns, {
    cwd: folder,
    ignore,
    dot: false,
    onlyFiles: true,
    followSymbolicLinks: false,
    expandDirectories: false,
  });
  const tooMuch = (what: string) =>
    new DispatcherError('too_much_covered', `${folder.split(sep).at(-1)}/ has ${what} to cover.`, { hint });
  if (names.length > limits.files) throw tooMuch(`${names.length} files, more than ${limits.files},`);
  const root = await realpath(folder);
  const sizes = await Promise.all(names.map(async (name) => (await lstat(join(folder, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  if (bytes > limits.bytes)
    throw tooMuch(`${Math.ceil(bytes / 1024 / 1024)} MiB, more than ${limits.bytes / 1024 / 1024} MiB,`);
  const digests: Record<string, string> = {};
  for (const name of names.sort()) {
    const real = await realpath(join(folder, name));
    if (!isInside(root, real)) {
      throw new DispatcherError(
        'too_much_covered',
        `${name} is a link that leads out of ${folder.split(sep).at(-1)}/.`,
        { hint: 'Put the file itself there, or leave it out by `includes`.' },
      );
    }
    digests[name] = await fileSha256(real);
  }
  return digests;
}

/** One digest over named digests. */
export const digestOf = (parts: Record<string, string | null>): string => sha256Hex(canonicalJson(parts));
