#!/usr/bin/env node
// The command `doe`: parses, runs one command, and ends with its exit code.
import { CommanderError } from 'commander';
import { exitCodes } from '../errors.js';
import { createProgram } from './program.js';

async function main(): Promise<void> {
  const program = createProgram((code) => {
    process.exitCode = code;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = await codeOf(error);
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

/** Whoever reads our output may stop reading (`doe tasks | head`): that is an end, not a fault. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? exitCodes.done);
  });
}

await main();
