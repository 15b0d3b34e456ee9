// Texts that are kept beside a script under its one digest: a diff can then say which part of what the digest covers changed.
import { sha256Hex } from '../acks/binding.js';

/** A fix_script's text, and a line for each file that the script can load: its sha256 and its name. */
export type Beside = 'fix script' | 'files that the script can load';

export const besideKey = (what: Beside, scriptSha256: string): string => sha256Hex(`${what} ${scriptSha256}`);

/** The files' digests by their names, as a text to keep: a file a line, by name. */
export const fileList = (covered: Record<string, string>): string =>
  Object.entries(covered)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, sha256]) => `${sha256} ${name}\n`)
    .join('');

/** The way back from `fileList`. */
export const filesOf = (list: string): Map<string, string> =>
  new Map(
    list
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => [line.slice(65), line.slice(0, 64)]),
  );
