// The package as it is installed: its version, and where its shipped files are.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const isOurs = (folder: string): boolean => {
  const file = join(folder, 'package.json');
  return existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'doe-dispatcher';
};

/** The folder of the package, wherever the code was built to. */
export const packageRoot: string = (() => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (isOurs(folder)) return folder;
    if (folder === dirname(folder)) throw new Error('The package.json of doe-dispatcher was not found above its code.');
  }
})();

export const version: string = (
  JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string }
).version;
