// Where built-in automations may read and write: inside the home, never where policy, scripts, evidence or settings live.
import { randomBytes } from 'node:crypto';
import { lstat, mkdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { containedPath, isInside } from '../../directives/contain.js';
import { DispatcherError } from '../../errors.js';

const reserved = ['directives', 'execution', 'automations', 'anneal-tasks'];

/** One lower-case name: a file system that ignores case must not see two names in it. */
export const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*$/;

const refusal = (name: string, why: string): DispatcherError =>
  new DispatcherError('invalid_input', `${JSON.stringify(name)} ${why}.`, {
    hint: `Name a place inside the home, outside ${reserved.join(', ')}, the database and everything hidden.`,
  });

/** Compared without case: on macOS `Directives` is `directives`. */
function assertOrdinary(name: string, way: string): void {
  const parts = way.toLowerCase().split(sep);
  const first = parts[0] ?? '';
  if (way === '') throw refusal(name, 'is the home itself');
  if (parts.some((part) => part.startsWith('.'))) throw refusal(name, 'is hidden, or lies in a hidden folder');
  if (reserved.includes(first) || first.startsWith('db.sqlite')) throw refusal(name, `lies in ${first}`);
}

export interface Place {
  /** Absolute, with every link on the way resolved. */
  path: string;
  /** Relative to the home. */
  name: string;
  exists: boolean;
}

/**
 * The ordinary place that `name` leads to, links and all.
 * @throws DispatcherError `invalid_input` where it leads out of the home, or to a place that is not for automations
 */
export async function ordinaryPlace(home: string, name: string): Promise<Place> {
  const root = await realpath(home);
  const missing: string[] = [];
  let at = name;
  let found = await containedPath(root, at);
  while (found === 'missing') {
    const wanted = resolve(root, at);
    if (await exists(wanted)) throw refusal(name, 'is a link to nowhere');
    missing.unshift(basename(wanted));
    at = relative(root, dirname(wanted));
    found = await containedPath(root, at);
  }
  if (found === 'outside') throw refusal(name, 'leads out of the home');
  const path = join(found.path, ...missing);
  assertOrdinary(name, relative(root, path));
  return { path, name: relative(root, path), exists: missing.length === 0 };
}

/** Whether anything stands there, be it a link to nowhere. */
const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );

/**
 * Makes the folder `place` whole or not at all: `fill` writes into a folder beside it, which then takes its name.
 * @throws DispatcherError `wrong_state` where something is there already
 */
export async function makeFolder({ path, name }: Place, fill: (folder: string) => Promise<void>): Promise<void> {
  const parent = dirname(path);
  const madeFrom = await mkdir(parent, { recursive: true });
  const draft = join(parent, `_new-${randomBytes(6).toString('hex')}`);
  try {
    await mkdir(draft);
    await fill(draft);
    if (await exists(path)) throw alreadyThere(name);
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    if (madeFrom !== undefined) await removeEmpty(madeFrom, parent);
    throw error;
  }
}

/** Removes the folders from `deepest` up to `top`, as far as nobody else has put something there. */
async function removeEmpty(top: string, deepest: string): Promise<void> {
  for (let at = deepest; isInside(top, at); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return;
      throw error;
    }
  }
}

export const alreadyThere = (name: string): DispatcherError =>
  new DispatcherError('wrong_state', `${name} is there already; nothing was written.`, {
    hint: 'Choose another name, or move what is there away first.',
  });
