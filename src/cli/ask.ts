// A person's answers at the terminal. A pipe is no person: nothing here reads from one.
import { createInterface } from 'node:readline/promises';
import { DispatcherError } from '../errors.js';
import { personsView, personTypes } from './environment.js';

/** The person left the question open, with Ctrl-C or Ctrl-D. */
export class LeftOpen extends Error {
  constructor(readonly exitStatus: number) {
    super('The question was left open.');
  }
}

const interrupted = 130;
const endOfInput = 4;

/** What belongs to the question. */
export const tell = (text = ''): void => void personsView().write(`${text}\n`);

/**
 * @param view also what was shown before must have gone to a terminal
 * @throws DispatcherError `no_terminal`
 */
export function assertTerminal(what: string, hint: string, view?: NodeJS.WriteStream): void {
  if (personTypes() && (view === undefined || view.isTTY === true)) return;
  throw new DispatcherError('no_terminal', `${what} is a person's to do at a terminal; there is none here.`, { hint });
}

/**
 * Asks until `accept` takes the answer; it returns null to have the question asked again.
 * @throws LeftOpen
 */
export async function ask<T>(question: string, accept: (answer: string) => T | null): Promise<T> {
  const lines = createInterface({ input: process.stdin, output: personsView() });
  const left = new AbortController();
  let status = endOfInput;
  lines.on('SIGINT', () => {
    status = interrupted;
    left.abort();
  });
  lines.on('close', () => left.abort());
  try {
    for (;;) {
      const accepted = accept((await lines.question(question, { signal: left.signal })).trim());
      if (accepted !== null) return accepted;
    }
  } catch (error) {
    if (!left.signal.aborted) throw error;
    tell();
    throw new LeftOpen(status);
  } finally {
    lines.close();
  }
}

/** A question that only `yes` or `no` answers. */
export const askYesNo = (question: string): Promise<boolean> =>
  ask(`${question} (yes/no) `, (answer) => {
    if (answer === 'yes' || answer === 'no') return answer === 'yes';
    tell('Type the whole word, yes or no.');
    return null;
  });
