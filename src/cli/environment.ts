// What the command line takes from its surroundings. Settings are config.ts's to read; this is the rest, read in one place.
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { WriteStream } from 'node:tty';
import type { Surroundings } from '../home.js';

/** By the XDG Base Directory Specification a relative path there is no setting at all. */
const absoluteOrNone = (path: string | undefined): string | undefined =>
  path !== undefined && isAbsolute(path) ? path : undefined;

export const surroundings = (): Surroundings => ({
  cwd: process.cwd(),
  doeHome: process.env.DOE_HOME,
  stateFolder: join(absoluteOrNone(process.env.XDG_STATE_HOME) ?? join(homedir(), '.local', 'state'), 'doe'),
});

/** Colours and rewritten lines: only for a person who looks, and not where NO_COLOR (no-color.org) is set. */
export const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && (process.env.NO_COLOR ?? '') === '' && process.env.TERM !== 'dumb';

/** Whether a person types here; what they see may go to a pipe. */
export const personTypes = (): boolean => process.stdin.isTTY === true;

let ownTerminal: NodeJS.WriteStream | undefined;

/** Where that person looks: results may be piped away or kept in a file, and a question is seen all the same. */
export function personsView(): NodeJS.WriteStream {
  const seen = [process.stdout, process.stderr].find(({ isTTY }) => isTTY === true);
  if (seen !== undefined) return seen;
  ownTerminal ??= new WriteStream(process.stdin.fd);
  return ownTerminal;
}

/** The name of the operating system's user, for the record. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return 'operator';
  }
}
