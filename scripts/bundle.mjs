// A program in few files, its packages included: clients start `doe mcp` often and wait for it, and half of a start went into
// opening three hundred small files. Only the native binding stays outside.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const options = { platform: 'node', external: ['better-sqlite3'] };

/**
 * The command, made of its compiled modules. A module finds its assets beside itself, wherever its code went; those named in
 * `constants`, whose exports are plain JSON that nothing at run time changes, are put in as their values.
 */
export async function bundleCommand({ modules, entry, constants, out }) {
  const ours = (id) => {
    const path = relative(modules, id);
    return path.startsWith('..') ? null : path;
  };
  const values = {
    name: 'values',
    async load(id) {
      if (!constants.includes(ours(id))) return null;
      const exported = Object.entries(await import(pathToFileURL(id)));
      return exported.map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`).join('\n');
    },
  };
  const marker = '__MODULES__';
  const places = {
    name: 'places',
    transform(code, id) {
      const path = ours(id);
      if (path === null || !code.includes('import.meta.url')) return null;
      return code.replaceAll(
        'import.meta.url',
        `new URL(${JSON.stringify(`${marker}/${path}`)}, import.meta.url).href`,
      );
    },
    renderChunk(code, { fileName }) {
      return code.includes(marker) ? code.replaceAll(marker, relative(dirname(join(out, fileName)), modules)) : null;
    },
  };
  const { chunks } = await write({ input: join(modules, entry), plugins: [values, places] }, out);
  writeFileSync(join(out, 'LICENSES.txt'), licences(chunks.flatMap(({ moduleIds }) => moduleIds)));
}

/** Any one program, for a comparison of like with like. */
export const bundleProgram = (input, out) => write({ input }, out);

async function write(input, out) {
  const build = await rolldown({ ...options, ...input });
  const { output } = await build.write({ dir: out, format: 'esm', cleanDir: true, chunkFileNames: '[name]-[hash].js' });
  await build.close();
  return { chunks: output.filter(({ type }) => type === 'chunk') };
}

/** The licences of the packages that are part of it, which ask to be passed on. */
function licences(files) {
  const folders = new Set(files.map((file) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean));
  const texts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    return `${name} ${version} (${license})\n\n${file === undefined ? '' : readFileSync(join(folder, file), 'utf8').trim()}\n`;
  });
  return texts.sort().join(`\n${'-'.repeat(80)}\n\n`);
}
