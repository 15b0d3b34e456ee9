// A program in few files, its packages included: clients start `doe mcp` often and wait for it, and half of a start went into
// opening three hundred small files. Only the native binding stays outside.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import standalone from 'ajv/dist/standalone/index.js';
import { rolldown } from 'rolldown';

const options = { platform: 'node', external: ['better-sqlite3'] };

/**
 * The command, made of its compiled modules. A module finds its assets beside itself, wherever its code went; those named in
 * `constants`, whose exports are plain JSON that nothing at run time changes, are put in as their values, and in place of the
 * module `metaSchema` stands the code that ajv makes for it.
 */
export async function bundleCommand({ modules, entry, constants, metaSchema, out }) {
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
  const validators = {
    name: 'validators',
    async load(id) {
      if (ours(id) !== metaSchema) return null;
      const { ajv, metaSchemaId } = await import(pathToFileURL(id));
      const code = standalone.default(ajv, { isJsonSchema: metaSchemaId });
      return withImports(`${code}\nexport const metaSchemaId = ${JSON.stringify(metaSchemaId)};`);
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
  const { chunks } = await write({ input: join(modules, entry), plugins: [values, validators, places] }, out);
  writeFileSync(join(out, 'LICENSES.txt'), licences(chunks.flatMap(({ moduleIds }) => moduleIds)));
}

/** Ajv writes modules that export by one standard and import by the other. */
function withImports(code) {
  const imported = [];
  const body = code.replace(/require\("([^"]+)"\)/g, (_, name) => `imported${imported.push(name) - 1}`);
  return imported.map((name, index) => `import imported${index} from '${name}.js';\n`).join('') + body;
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
