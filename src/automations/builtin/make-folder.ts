// Makes a folder whole or not at all, and only where nothing is yet.
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isInside } from '../../directives/contain.js';
import { exists, type Place } from '../../directives/ordinary-place.js';
import { DispatcherError } from '../../errors.js';

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
