// Compiles src with tsc, copies assets beside the code, and makes the command of it. `--out DIR` builds elsewhere, for tests.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const flag = process.argv.indexOf('--out');
const out = flag === -1 ? join(root, 'dist') : process.argv[flag + 1];

// An installed package has its dist and no sources: nothing to build.
if (!existsSync(join(root, 'src'))) process.exit(0);

rmSync(out, { recursive: true, force: true });
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', out], {
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

const source = join(root, 'src');
for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
  if (!entry.isDirectory() || entry.name !== 'assets') continue;
  const folder = join(entry.parentPath, entry.name);
  cpSync(folder, join(out, relative(source, folder)), { recursive: true });
}

// Loaded late: an installed package has no bundler.
const { bundleCommand } = await import('./bundle.mjs');
const command = join(out, 'command');
await bundleCommand({
  modules: out,
  entry: 'cli/index.js',
  constants: ['mcp/definitions.js'],
  metaSchema: 'directives/meta-schema.js',
  out: command,
});
chmodSync(join(command, 'index.js'), 0o755);
