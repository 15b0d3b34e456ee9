// One command, from its words to its exit code.
import { CommanderError } from 'commander';
import { exitCodes } from '../errors.js';
import { createProgram } from './program.js';

/**
 * Says on stderr what went wrong, and never throws.
 * @param words what follows `doe`
 * @returns the exit code: of the command, else of what stopped it
 */
export async function runCommand(words: readonly string[]): Promise<number> {
  let code: number = exitCodes.done;
  const program = createProgram((ended) => {
    code = ended;
  });
  try {
    await program.parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    return codeOf(error);
  }
}

/** Commander has said its own part already; help and version are no errors. */
async function codeOf(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  const { LeftOpen } = await import('./ask.js');
  if (error instanceof LeftOpen) return error.exitStatus;
  const { report } = await import('./output.js');
  return report(error);
}
