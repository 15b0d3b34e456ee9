// Where built-in automations write and integrations read: inside the home, never where policy, scripts, evidence or settings live.
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { DispatcherError } from '../errors.js';
import { containedPath } from './contain.js';
import { policyFolders } from './front-matter.js';

const refusal = (name: string, why: string): DispatcherError =>
  new DispatcherError('invalid_input', `${JSON.stringify(name)} ${why}.`, {
    hint: `Name a place inside the home, outside ${policyFolders.join(', ')}, the database and everything hidden.`,
  });

/** Compared without case: on macOS `Directives` is `directives`. */
function assertOrdinary(name: string, way: string): void {
  const parts = way.toLowerCase().split(sep);
  const first = parts[0] ?? '';
  if (way === '') throw refusal(name, 'is the home itself');
  if (parts.some((part) => part.startsWith('.'))) throw refusal(name, 'is hidden, or lies in a hidden folder');
  if (policyFolders.includes(first) || first.startsWith('db.sqlite')) throw refusal(name, `lies in ${first}`);
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
export const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return false;
      throw error;
    },
  );
