// The files of a site, from a folder or a zip in the home, by their digests. No link is followed, nothing hidden is sent
// but `.well-known`, which is there to be public (RFC 8615).
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { unzipSync } from 'fflate';
import { ordinaryPlace } from '../directives/ordinary-place.js';
import { DispatcherError } from '../errors.js';

export interface SiteFile {
  /** Below the site's root, with slashes between. */
  path: string;
  sha1: string;
  read(): Promise<Uint8Array<ArrayBuffer>>;
}

const limits = { files: 20_000, bytes: 512 * 1024 * 1024 };
/** A zip is unpacked in memory and in one go, so it is kept to what takes a second. */
const zipLimits = { packed: 64 * 1024 * 1024, bytes: 128 * 1024 * 1024 };

const sha1 = (content: Uint8Array): string => createHash('sha1').update(content).digest('hex');

/** @throws DispatcherError `invalid_input`, `too_large` */
export async function filesOfFolder(home: string, name: string): Promise<SiteFile[]> {
  const place = await ordinaryPlace(home, name);
  if (!place.exists || !(await lstat(place.path)).isDirectory()) throw missing(name, 'folder');
  const files: SiteFile[] = [];
  let bytes = 0;
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(join(place.path, folder), { withFileTypes: true });
    for (const entry of entries) {
      const path = posix.join(folder, entry.name);
      if (!isPublic(path)) continue;
      if (entry.isDirectory()) await walk(path);
      if (!entry.isFile()) continue;
      bytes += (await lstat(join(place.path, path))).size;
      if (files.length === limits.files || bytes > limits.bytes) throw tooLarge(name, limits.bytes);
      files.push(await fileOnDisk(place.path, path));
    }
  };
  await walk('');
  return checkedFiles(files, name);
}

async function fileOnDisk(folder: string, path: string): Promise<SiteFile> {
  const digest = sha1(await readFile(join(folder, path)));
  return {
    path,
    sha1: digest,
    async read() {
      const content = await readFile(join(folder, path));
      if (sha1(content) === digest) return content;
      throw new DispatcherError('wrong_state', `${path} was changed while the site was sent.`, {
        hint: 'Let what builds the site finish, then deploy again.',
      });
    },
  };
}

/** @throws DispatcherError `invalid_input`, `too_large` */
export async function filesOfZip(home: string, name: string): Promise<SiteFile[]> {
  const place = await ordinaryPlace(home, name);
  if (!place.exists || !(await lstat(place.path)).isFile()) throw missing(name, 'zip file');
  if ((await lstat(place.path)).size > zipLimits.packed) throw tooLarge(name, zipLimits.packed);
  const contents = unpack(name, await readFile(place.path));
  const files = Object.entries(contents).map(([path, content]) => ({
    path,
    sha1: sha1(content),
    read: async () => content,
  }));
  return checkedFiles(files, name);
}

function unpack(name: string, packed: Uint8Array): Record<string, Uint8Array<ArrayBuffer>> {
  let files = 0;
  let bytes = 0;
  try {
    // Nothing is unpacked beyond the size that an entry announces, so that the sum of those bounds it all.
    return unzipSync(packed, {
      filter({ name: path, originalSize }) {
        if (/^\/|\\|(^|\/)\.\.(\/|$)/.test(path)) throw leadsOut(name, path);
        if (path.endsWith('/') || !isPublic(path)) return false;
        files += 1;
        bytes += originalSize;
        if (files > limits.files || bytes > zipLimits.bytes) throw tooLarge(name, zipLimits.bytes);
        return true;
      },
    });
  } catch (error) {
    if (error instanceof DispatcherError) throw error;
    throw new DispatcherError('invalid_input', `${name} cannot be read as a zip: ${(error as Error).message}.`, {
      hint: 'Make the archive anew.',
      cause: error,
    });
  }
}

/** Hidden files hold settings more often than pages. */
const isPublic = (path: string): boolean =>
  path
    .split('/')
    .every((part, index) => (!part.startsWith('.') || (index === 0 && part === '.well-known')) && !unwanted.has(part));

const unwanted = new Set(['node_modules', '__MACOSX']);

function checkedFiles(files: SiteFile[], name: string): SiteFile[] {
  if (files.length === 0) {
    throw new DispatcherError('invalid_input', `${name} holds no file to deploy.`, {
      hint: 'Hidden files, links and node_modules are left out. Build the site first.',
    });
  }
  const bad = files.find(({ path }) => /[#?]/.test(path));
  if (bad === undefined) return files;
  throw new DispatcherError('invalid_input', `${bad.path} has a # or ? in its name, which has no address.`, {
    hint: 'Rename the file.',
  });
}

const missing = (name: string, what: string): DispatcherError =>
  new DispatcherError('invalid_input', `${name} is no ${what} in the home.`, {
    hint: 'Name it relative to the home, such as sites/acme.',
  });

const tooLarge = (name: string, bytes: number): DispatcherError =>
  new DispatcherError('too_large', `${name} has more than ${limits.files} files or ${bytes / 1024 / 1024} MiB.`, {
    hint: 'Leave out what the site does not need.',
  });

const leadsOut = (name: string, path: string): DispatcherError =>
  new DispatcherError('invalid_input', `${name} holds ${JSON.stringify(path)}, which leads out of the site.`, {
    hint: 'Make the archive anew, from within the site.',
  });
