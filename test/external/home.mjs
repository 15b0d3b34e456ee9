// A home of its own with a living `doe serve`, in a temporary folder that is gone afterwards.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from './programs.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

const files = {
  'directives/hello.md': '---\ntitle: Say hello\nversion: 1\n---\n# Say hello\n\nSays hello.\n',
  'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\n',
};

/** Builds the command from the sources as they are. */
async function build(out) {
  const { code, stdout, stderr } = await run(process.execPath, [join(root, 'scripts', 'build.mjs'), '--out', out]);
  if (code !== 0) throw new Error(`The build failed.\n${stdout}${stderr}`);
  return join(out, 'command', 'index.js');
}

export async function openHome() {
  const folder = await mkdtemp(join(tmpdir(), 'doe-external-'));
  const out = join(root, '.build', `external-${process.pid}`);
  const close = async () => {
    for (const path of [folder, out]) await rm(path, { recursive: true, force: true });
  };
  try {
    const home = join(folder, 'home');
    const doe = [await build(out)];
    // Neither the user's list of homes nor a setting of theirs takes part.
    const env = { PATH: process.env.PATH, HOME: folder, XDG_STATE_HOME: join(folder, 'state'), TMPDIR: folder };
    const made = await run(process.execPath, [...doe, 'init', '--home', home], { env });
    if (made.code !== 0) throw new Error(`doe init failed.\n${made.stderr}`);
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(home, path, '..'), { recursive: true });
      await writeFile(join(home, path), text);
    }
    const key = /^MCP_API_KEY=(.+)$/m.exec(await readFile(join(home, '.env'), 'utf8'))?.[1] ?? '';
    const server = await serve([...doe, 'serve', '--home', home], env);
    return {
      folder,
      env,
      key,
      address: server.address,
      mcp: [process.execPath, ...doe, 'mcp', '--home', home],
      async close() {
        await server.close();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function serve(args, env) {
  const child = spawn(process.execPath, args, { env: { ...env, PORT: '0' }, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(child, 'exit');
  const lines = [];
  const ready = new Promise((resolve) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      if (line.includes('"serve.ready"')) resolve(JSON.parse(line));
    });
  });
  const first = await Promise.race([ready, ended.then(() => null)]);
  if (first === null) throw new Error(`doe serve ended.\n${lines.join('\n')}`);
  return {
    address: first.address,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
