// `doe new directive`: a directive and its script that run as they are, and the schema that editors check front matter with.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { frontMatterJsonSchema } from '../directives/front-matter.js';
import { DispatcherError } from '../errors.js';
import { copyShipped, findHome, writeNew } from '../home.js';
import { taskTypeSchema } from '../tasks/task.js';
import { surroundings } from './environment.js';
import type { CommonOptions } from './home.js';
import { say } from './output.js';

export interface NewDirectiveOptions extends CommonOptions {
  language: keyof typeof templates;
}

/** Each language's template, and the library file that it needs beside it. */
const templates = {
  python: { template: 'script.py', library: 'execution/doe.py' },
  node: { template: 'script.mjs', library: 'execution/doe.mjs' },
  shell: { template: 'script.sh', library: null },
} as const;

export async function run(name: string, { language, ...options }: NewDirectiveOptions): Promise<void> {
  if (!taskTypeSchema.safeParse(name).success) {
    throw new DispatcherError('invalid_input', `${name} cannot be the name of a directive.`, {
      hint: 'Letters, digits, ".", "_" and "-", beginning with a letter or digit, at most 100 characters; such as publish-newsletter.',
    });
  }
  const home = await findHome(options.home, surroundings());
  const { template, library } = templates[language];
  const script = `${name.replaceAll('-', '_')}${extname(template)}`;
  const words = { name, script, title: titleOf(name) };
  const files = {
    [`directives/${name}.md`]: await filled('directive.md', words),
    [`execution/${script}`]: await filled(template, words),
  };
  const taken = Object.keys(files).find((path) => existsSync(join(home, path)));
  if (taken !== undefined) throw exists(taken);
  for (const [path, text] of Object.entries(files)) {
    if (!(await writeNew(join(home, path), text))) throw exists(path);
    say(`made  ${path}`);
  }
  const schema = `${JSON.stringify({ ...frontMatterJsonSchema(), patternProperties: { '^x-': {} } }, null, 2)}\n`;
  if (await writeNew(join(home, 'directives', 'front-matter.schema.json'), schema))
    say('made  directives/front-matter.schema.json');
  if (library !== null && (await copyShipped(library, home))) say(`made  ${library}`);
  say(`\nWrite what it does, then \`doe directives --check\`, and try it:`);
  say(`  doe start-task ${name} demo try-1 me '{"name":"example"}'`);
}

const titleOf = (name: string): string => {
  const words = name.replace(/[-_.]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

async function filled(template: string, words: Record<string, string>): Promise<string> {
  const text = await readFile(new URL(`./assets/${template}`, import.meta.url), 'utf8');
  return text.replace(/\{\{(\w+)\}\}/g, (_, word: string) => words[word] ?? '');
}

const exists = (path: string): DispatcherError =>
  new DispatcherError('invalid_input', `${path} is there already; nothing is overwritten.`, {
    hint: 'Choose another name, or edit that file.',
  });
