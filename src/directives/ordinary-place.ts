// The places of a home. Ordinary is where built-in automations write, integrations read and sandboxed scripts may be let in: never
// where policy, scripts, evidence or settings live. A payload may name more, but nothing hidden and not the database.
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { DispatcherError } from '../errors.js';
import { containedPath } from './contain.js';

/** Folders of the home that decide what runs, or tell what ran. */
const policyFolders = ['directives', 'execution', 'automations', 'anneal-tasks'];

export const ordinaryPlaces = `outside ${policyFolders.join(', ')}, the database and everything hidden`;

// Compared without case: on macOS `Directives` is `directives`.
const partsOf = (way: string): string[] => way.toLowerCase().split(sep);

/** Why nobody may name this place, as the end of a sentence; null where it may be named. `way` is relative to the home. */
export function whyClosed(way: string): string | null {
  const parts = partsOf(way);
  if (way === '') return 'is the home itself';
  if (parts.some((part) => part.startsWith('.'))) return 'is hidden, or lies in a hidden folder';
  return parts[0]?.startsWith('db.sqlite') === true ? 'is the database' : null;
}

/** Why this place is not ordinary, as the end of a sentence; null where it is. */
export function whyNotOrdinary(way: string): string | null {
  const [first = ''] = partsOf(way);
  return whyClosed(way) ?? (policyFolders.includes(first) ? `lies in ${first}` : null);
}

const refusal = (name: string, why: string): DispatcherError =>
  new DispatcherError('invalid_input', `${JSON.stringify(name)} ${why}.`, {
    hint: `Name a place inside the home, ${ordinaryPlaces}.`,
  });

export interface Place {
  /** Absolute, with every link on the way resolved. */
  path: string;
  /** Relative to the home. */
  name: string;
  exists: boolean;
}

/**
 * The ordinary place that `name` leads to, links and all.
 * @throws DispatcherError `invalid_input` where it leads out of the home, or to a place that is not ordinary
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
  const way = relative(root, path);
  const why = whyNotOrdinary(way);
  if (why !== null) throw refusal(name, why);
  return { path, name: way, exists: missing.length === 0 };
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
