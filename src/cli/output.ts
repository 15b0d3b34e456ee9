// The command's two ways out: results on stdout, everything about the command itself on stderr.

import { type DispatcherError, type ExitCode, exitCode, publicError } from '../errors.js';
import { createLog, type Log } from '../log.js';
import { styled, unseen, visible } from './text.js';

export const say = (text = ''): void => void process.stdout.write(`${text}\n`);

/** For notes that are no part of the result. */
export const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** Unseen characters are escaped, so that the output is safe on a terminal and still the same JSON. */
export const sayJson = (value: unknown): void => say(asJson(value));

/** The same on one line, for a list that is read line by line. */
export const sayJsonLine = (value: unknown): void => say(asJson(value, 0));

const asJson = (value: unknown, indent = 2): string =>
  JSON.stringify(value, null, indent).replace(unseen, (character) =>
    [...Array(character.length).keys()]
      .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
      .join(''),
  );

/** The log of a command that answers and ends: only what a person must know. */
export const quietLog = (): Log => createLog({ level: 'warn' });

/** Says what failed, why, and what to do. @returns the exit code */
export function report(error: unknown): ExitCode {
  const { code, error: message, hint } = publicError(error);
  note(`${styled('red', 'doe:', process.stderr)} ${visible(message)}`);
  if (hint !== undefined) note(indentedHint(hint));
  if (code === 'internal') note(indentedHint(detailsOf(error)));
  return exitCode(code);
}

const indentedHint = (hint: string): string => visible(hint).replace(/^/gm, '     ');

/** On a person's own terminal a fault of ours is shown whole: there is no log to look into. */
const detailsOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** One line for a list of findings. */
export const oneLine = ({ message, hint }: DispatcherError): string =>
  hint === undefined ? message : `${message} ${hint}`;
