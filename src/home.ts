// The home folder: which one is meant, how a new one is laid out, and which ones this user knows.
// Nothing here overwrites a file, and a folder that this user neither laid out nor trusted is never taken by itself.
import { accessSync, constants, existsSync } from 'node:fs';
import { appendFile, copyFile, lstat, mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DispatcherError } from './errors.js';
import { packageRoot } from './version.js';

/** What decides over the home, besides the disk. */
export interface Surroundings {
  /** The folder that the command was typed in. */
  cwd: string;
  /** The setting DOE_HOME. */
  doeHome: string | undefined;
  /** Where this user's list of known homes stands: `doe` below XDG_STATE_HOME. */
  stateFolder: string;
}

const homeFolders = ['directives', 'execution'] as const;

/** Whether the folder holds both `directives/` and `execution/`. */
export const isHome = (folder: string): boolean => homeFolders.every((name) => existsSync(join(folder, name)));

/**
 * The home that was named, by `--home` or DOE_HOME; null where neither was given.
 * @throws DispatcherError `home_not_found` where what was named is no home, `home_not_readable`
 */
export function namedHome(given: string | undefined, { cwd, doeHome }: Surroundings): string | null {
  const [name, by] = given !== undefined ? [given, '--home'] : [doeHome ?? '', 'DOE_HOME'];
  if (name === '') return null;
  const folder = resolve(cwd, name);
  if (isHome(folder)) return folder;
  assertReadable(folder);
  const why = existsSync(folder) ? 'it does not hold both directives/ and execution/' : 'there is no such folder';
  throw new DispatcherError('home_not_found', `${by} names ${folder}, which is no home: ${why}.`, {
    hint: `Lay one out there with \`doe init --home ${folder}\`, or name another folder.`,
  });
}

/** What a user may not look into would pass for empty, or for missing. */
function assertReadable(folder: string): void {
  try {
    accessSync(folder, constants.R_OK | constants.X_OK);
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT' && codeOf(cause) !== 'ENOTDIR') throw unreadable(folder, cause);
  }
}

/**
 * The home for a typed command: the named one, else the nearest at or above the current folder that this user knows.
 * @throws DispatcherError `home_not_found`
 */
export async function findHome(given: string | undefined, around: Surroundings): Promise<string> {
  const named = namedHome(given, around);
  if (named !== null) return named;
  const known = await knownHomes(around);
  const candidates = foldersUpFrom(around.cwd).filter(isHome);
  for (const folder of candidates) if (known.has(await realpath(folder))) return folder;
  const [strange] = candidates;
  throw strange === undefined
    ? new DispatcherError('home_not_found', `Neither ${around.cwd} nor a folder above it is a home.`, {
        hint: 'Lay one out here with `doe init`, or name one with --home DIR or DOE_HOME.',
      })
    : new DispatcherError(
        'home_not_found',
        `${strange} looks like a home, but you neither laid it out nor trusted it.`,
        {
          hint: `Look through its directives and scripts, then run \`doe trust --home ${strange}\`; or name it in each command with --home.`,
        },
      );
}

function foldersUpFrom(folder: string): string[] {
  const above = dirname(folder);
  return above === folder ? [folder] : [folder, ...foldersUpFrom(above)];
}

/** One JSON text a line: a line that is appended loses no other, however many processes write at once. */
const listOf = ({ stateFolder }: Surroundings): string => join(stateFolder, 'homes.jsonl');

/** The real paths of the homes that this user laid out or trusted. */
async function knownHomes(around: Surroundings): Promise<Set<string>> {
  try {
    const text = await readFile(listOf(around), 'utf8');
    return new Set(text.split('\n').flatMap((line) => parseLine(line)));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return new Set();
    throw unwritable(listOf(around), error);
  }
}

function parseLine(line: string): string[] {
  try {
    const home: unknown = JSON.parse(line);
    return typeof home === 'string' ? [home] : [];
  } catch {
    // The rest of a line whose writer was killed is no home.
    return [];
  }
}

export const isKnown = async (home: string, around: Surroundings): Promise<boolean> =>
  (await knownHomes(around)).has(await realpath(home));

/** Puts the home on the user's list. */
export async function rememberHome(home: string, around: Surroundings): Promise<void> {
  if (await isKnown(home, around)) return;
  await mkdir(around.stateFolder, { recursive: true, mode: 0o700 }).catch(throwUnwritable(around.stateFolder));
  // A line feed before it too: the line before may have been cut off.
  const line = `\n${JSON.stringify(await realpath(home))}\n`;
  await appendFile(listOf(around), line, { mode: 0o600 }).catch(throwUnwritable(listOf(around)));
}

export interface LaidOut {
  /** Paths relative to the home that this call made. */
  created: string[];
  /** What was there before and was left as it is. */
  kept: string[];
  /** Files in `execution/` that are not the shipped ones as they were shipped. */
  foreignScripts: string[];
}

/**
 * Lays out a home with the shipped directives and scripts. What is there already stays as it is.
 * @throws DispatcherError `home_not_writable`; a file where a folder belongs is named before anything is written
 */
export async function layOut(home: string): Promise<LaidOut> {
  const folders = [home, ...[...homeFolders, 'anneal-tasks'].map((name) => join(home, name))];
  for (const folder of folders) await assertFree(folder);
  for (const folder of folders) await mkdir(folder, { recursive: true }).catch(throwUnwritable(folder));
  const laid: LaidOut = { created: [], kept: [], foreignScripts: await foreignScripts(home) };
  for (const name of await shippedFiles()) {
    ((await copyShipped(name, home)) ? laid.created : laid.kept).push(name);
  }
  ((await writeNew(join(home, '.gitignore'), gitignore)) ? laid.created : laid.kept).push('.gitignore');
  return laid;
}

const gitignore = '.env\n.env.*\ndb.sqlite*\nanneal-tasks/\n__pycache__/\n';

/** The shipped directives and scripts, relative to the package and to a home alike. */
async function shippedFiles(): Promise<string[]> {
  const inside = (folder: string) =>
    readdir(join(packageRoot, folder), { recursive: true, withFileTypes: true }).catch(emptyWhereMissing);
  const entries = (await Promise.all(homeFolders.map(inside))).flat();
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(packageRoot.length + 1))
    .filter((name) => !/(^|\/)(\.|__pycache__|node_modules)/.test(name) && /^execution\/|\.md$/.test(name))
    .sort();
}

async function foreignScripts(home: string): Promise<string[]> {
  const folder = join(home, 'execution');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(emptyWhereMissing);
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const judged = await Promise.all(
    names.map(async (name) => {
      const [here, shipped] = await Promise.all(
        [home, packageRoot].map((root) => readFile(join(root, 'execution', name)).catch(() => null)),
      );
      return here != null && shipped != null && here.equals(shipped) ? [] : [name];
    }),
  );
  return judged.flat().sort();
}

/** Copies a shipped file, such as `execution/doe.py`, where the home has none; false where it has one. */
export async function copyShipped(name: string, home: string): Promise<boolean> {
  const to = join(home, name);
  await mkdir(dirname(to), { recursive: true }).catch(throwUnwritable(dirname(to)));
  return isNew(to, copyFile(join(packageRoot, name), to, constants.COPYFILE_EXCL));
}

/** Writes a file that was not there; false where one was. */
export const writeNew = (file: string, text: string): Promise<boolean> =>
  isNew(file, writeFile(file, text, { flag: 'wx' }));

async function isNew(file: string, writing: Promise<void>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw unwritable(file, error);
  }
}

async function assertFree(folder: string): Promise<void> {
  const facts = await lstat(folder).catch(nullWhereMissing(folder));
  if (facts === null || facts.isDirectory() || facts.isSymbolicLink()) return;
  throw new DispatcherError('home_not_writable', `${folder} is a file, where a home has a folder.`, {
    hint: 'Move the file away, or choose another folder with --home DIR.',
  });
}

const nullWhereMissing = (path: string) => (error: unknown) => {
  if (codeOf(error) === 'ENOENT') return null;
  throw unwritable(path, error);
};

function emptyWhereMissing(error: unknown): [] {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
  throw error;
}

const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException).code ?? '');

const reasons: Record<string, string> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'the disk is read-only',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a file is in the way',
};

/** A fault of the file system in our words. */
export function unwritable(path: string, cause: unknown): unknown {
  if (cause instanceof DispatcherError) return cause;
  const why = reasons[codeOf(cause)] ?? (cause as Error).message;
  return new DispatcherError('home_not_writable', `${path} cannot be written: ${why}.`, {
    hint: 'Give the user that runs doe the right to write there, or choose another folder with --home DIR.',
    cause,
  });
}

/** A place that this user may not look into, in our words; any other fault as it is. */
export function unreadable(path: string, cause: unknown): unknown {
  if (codeOf(cause) !== 'EACCES' && codeOf(cause) !== 'EPERM') return cause;
  return new DispatcherError('home_not_readable', `${path} cannot be read: this user may not look there.`, {
    hint: 'Give the user that runs doe the right to read the home and all that is in it.',
    cause,
  });
}

const throwUnwritable = (path: string) => (error: unknown) => {
  throw unwritable(path, error);
};
