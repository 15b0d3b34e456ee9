// The modules in the home's automations/ folder, as text. What is hashed here is the very text that runs.
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256Hex } from '../acks/binding.js';
import { containedPath } from '../directives/contain.js';
import { unreadable } from '../home.js';

export interface HomeModule {
  name: string;
  sha256: string;
  text: string;
}

export interface UnreadableModule {
  name: string;
  error: string;
}

const folderName = 'automations';
const largest = 256 * 1024;
const goodName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** The names of the home's modules, sorted; those that begin with a dot or `_` are passed over. */
export async function homeModuleNames(home: string): Promise<string[]> {
  const folder = await containedPath(home, folderName);
  if (typeof folder === 'string') return [];
  const files = await readdir(folder.path).catch((error: unknown) => {
    throw unreadable(folder.path, error);
  });
  return files
    .filter((file) => file.endsWith('.mjs') && !/^[._]/.test(file))
    .map((file) => file.slice(0, -'.mjs'.length))
    .sort();
}

/** One module as it is on the disk now, or why it cannot be read; null where there is none. */
export async function readHomeModule(home: string, name: string): Promise<HomeModule | UnreadableModule | null> {
  if (!goodName.test(name)) {
    return (await homeModuleNames(home)).includes(name)
      ? { name, error: 'its name must be letters, digits, ".", "_" and "-"' }
      : null;
  }
  const folder = await containedPath(home, folderName);
  if (typeof folder === 'string') return null;
  const found = await containedPath(folder.path, `${name}.mjs`);
  if (found === 'missing') return null;
  if (found === 'outside') return { name, error: `it is a link that leads out of ${folderName}/` };
  return textOf(name, found.path);
}

async function textOf(name: string, path: string): Promise<HomeModule | UnreadableModule | null> {
  try {
    const { size, isFile } = await kindOf(path);
    if (!isFile) return { name, error: 'it is no file' };
    if (size > largest) return { name, error: `it is larger than ${largest / 1024} KiB` };
    const text = await readFile(path, 'utf8');
    return { name, sha256: sha256Hex(text), text };
  } catch (error) {
    // Gone between the listing and the reading.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return { name, error: `the system says ${(error as NodeJS.ErrnoException).code}` };
  }
}

async function kindOf(path: string): Promise<{ size: number; isFile: boolean }> {
  const found = await stat(path);
  return { size: found.size, isFile: found.isFile() };
}

/** Every module of the home. */
export async function readHomeModules(home: string): Promise<(HomeModule | UnreadableModule)[]> {
  const modules = await Promise.all((await homeModuleNames(home)).map((name) => readHomeModule(home, name)));
  return modules.filter((module) => module !== null);
}

export const isUnreadable = (module: HomeModule | UnreadableModule): module is UnreadableModule => 'error' in module;

/** Where a person finds the module. */
export const modulePath = (name: string): string => join(folderName, `${name}.mjs`);
