#!/usr/bin/env node
// The command `doe`: parses, runs one command, and ends with its exit code.
import { exitCodes } from '../errors.js';

async function main(): Promise<void> {
  const home = plainMcp(process.argv.slice(2));
  if (home !== null) return (await import('./mcp.js')).run(home);
  const { createProgram } = await import('./program.js');
  const program = createProgram((code) => {
    process.exitCode = code;
  });
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = await codeOf(error);
  }
}

/** `doe mcp` as clients start it, without the parser of all commands: they start it often, and wait for it. */
function plainMcp([command, flag, home, ...more]: string[]): { home?: string } | null {
  if (command !== 'mcp' || more.length > 0) return null;
  if (flag === undefined) return {};
  return flag === '--home' && home !== undefined && !home.startsWith('-') ? { home } : null;
}

/** Commander has said its own part already; help and version are no errors. */
async function codeOf(error: unknown): Promise<number> {
  const { CommanderError } = await import('commander');
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
