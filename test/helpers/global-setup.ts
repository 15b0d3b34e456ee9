// The command that process tests run: the built one where nothing was changed since, else built once for this run into a
// folder of its own, so that no test meets a stale or half-written build. All that a run leaves in the temporary folder,
// killed processes' too, goes with it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { python } from './python.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const built = join(root, 'dist', 'command', 'index.js');

export function setup(): () => void {
  const temporary = mkdtempSync(join(tmpdir(), 'doe-tests-'));
  process.env.TMPDIR = temporary;
  // Found first, so that no process has to ask a version manager's shim again.
  process.env.PATH = `${dirname(python())}:${process.env.PATH}`;
  const removeBuild = provideCommand();
  return () => {
    removeBuild();
    rmSync(temporary, { recursive: true, force: true });
  };
}

function provideCommand(): () => void {
  if (isFresh()) {
    process.env.DOE_TEST_CLI = built;
    return () => {};
  }
  const out = join(root, '.build', String(process.pid));
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--out', out], { stdio: 'inherit' });
  process.env.DOE_TEST_CLI = join(out, 'command', 'index.js');
  return () => rmSync(out, { recursive: true, force: true });
}

/** Whether the build is newer than all that it is made of; folders count, since a removed file changes them alone. */
function isFresh(): boolean {
  const at = statSync(built, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const below = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => join(entry.parentPath, entry.name));
  const sources = [
    ...below(join(root, 'src')),
    join(root, 'src'),
    ...below(join(root, 'scripts')),
    join(root, 'package.json'),
    join(root, 'package-lock.json'),
  ];
  return sources.every((path) => statSync(path).mtimeMs < at);
}
