// Files that a crash or a power cut leaves as they were or whole, never half or empty.
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { nanoid } from 'nanoid';
import { unwritable } from './home.js';

/** Writes the whole file or nothing, readable for its owner alone; it outlasts a power cut when the promise resolves. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.${nanoid(8)}`;
  try {
    await writeSynced(draft, text);
    await rename(draft, file);
    await sync(dirname(file), 'r');
  } catch (error) {
    await rm(draft, { force: true });
    throw unwritable(file, error);
  }
}

/** Writes a file that was not there, for its owner alone. A name given to it later never leads to an empty file. */
export const writeSynced = (file: string, text: string): Promise<void> =>
  sync(file, 'wx', (handle) => handle.writeFile(text));

async function sync(path: string, flags: string, first?: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    await first?.(handle);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
