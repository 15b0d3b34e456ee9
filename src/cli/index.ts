#!/usr/bin/env node
// The command `doe`: a process that runs one command and ends with its exit code.
import './acyclic.js';
import { exitCodes } from '../errors.js';

async function main(words: string[]): Promise<void> {
  const home = plainMcp(words);
  if (home !== null) return (await import('./mcp.js')).run(home);
  const { runCommand } = await import('./run.js');
  process.exitCode = await runCommand(words);
}

/** `doe mcp` as clients start it, without the parser of all commands: they start it often, and wait for it. */
function plainMcp([command, flag, home, ...more]: string[]): { home?: string } | null {
  if (command !== 'mcp' || more.length > 0) return null;
  if (flag === undefined) return {};
  return flag === '--home' && home !== undefined && !home.startsWith('-') ? { home } : null;
}

/** Whoever reads our output may stop reading (`doe tasks | head`): that is an end, not a fault. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? exitCodes.done);
  });
}

await main(process.argv.slice(2));
