// Builds the command once per test run, into a folder of its own, so that process tests never meet a stale or half-written build.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export function setup(): () => void {
  const out = join(root, '.build', String(process.pid));
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--out', out], { stdio: 'inherit' });
  process.env.DOE_TEST_CLI = join(out, 'cli', 'index.js');
  return () => rmSync(out, { recursive: true, force: true });
}
