// Containment: a path that a file or a caller names must lead, links and all, to a place inside the folder it is meant for.
import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { unreadable } from '../home.js';

/** Whether `path` is `folder` or lies in it; both absolute and real. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

/**
 * The real path of `name` below `folder`, or why it is refused.
 * @returns `missing` where nothing is there, `outside` where it leads out
 * @throws DispatcherError `home_not_readable`
 */
export async function containedPath(folder: string, name: string): Promise<{ path: string } | 'missing' | 'outside'> {
  const root = await realpath(folder);
  const wanted = resolve(root, name);
  if (isAbsolute(name) || name.includes('\0') || !isInside(root, wanted)) return 'outside';
  try {
    const path = await realpath(wanted);
    return isInside(root, path) ? { path } : 'outside';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    if (code === 'ELOOP' || code === 'ENAMETOOLONG') return 'outside';
    throw unreadable(wanted, error);
  }
}
