// A folder copied with its placeholders filled in. No link is followed, nothing hidden is copied; all of it or nothing.
import { isUtf8 } from 'node:buffer';
import { copyFile, lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isInside } from '../../directives/contain.js';
import { ordinaryPlace, type Place } from '../../directives/ordinary-place.js';
import { DispatcherError } from '../../errors.js';
import type { AutomationContext } from '../definition.js';
import { alreadyThere, makeFolder } from './make-folder.js';

const limits = { files: 2000, bytes: 64 * 1024 * 1024 };
const placeholder = /\{\{\s*([A-Za-z][A-Za-z0-9_-]*)\s*\}\}/g;

export const description =
  'Copies a folder of the home and fills in {{placeholders}} in its text files and file names. Links and hidden files are left out; an existing target is refused.';

export const params = z.object({
  template: z.string().min(1).max(500).describe('The folder to copy, relative to the home, such as templates/landing'),
  target: z.string().min(1).max(500).describe('The folder to make, relative to the home, such as sites/acme'),
  values: z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]*$/), z.string().max(100_000))
    .default({})
    .describe('What stands for each placeholder: {"name": "Acme"} fills in {{name}}'),
});

type Params = z.output<typeof params>;

interface Copy {
  files: { from: string; to: string }[];
  folders: string[];
  skipped: string[];
  bytes: number;
}

export async function plan(given: Params, { home }: AutomationContext) {
  const { target, copy } = await prepare(given, home);
  return { would_write: written(target, copy), skipped: copy.skipped };
}

export async function run(given: Params, { home, signal }: AutomationContext) {
  const { template, target, copy } = await prepare(given, home);
  const unfilled = new Set<string>();
  await makeFolder(target, async (draft) => {
    for (const folder of copy.folders) await mkdir(join(draft, folder), { recursive: true });
    for (const { from, to } of copy.files) {
      signal.throwIfAborted();
      await mkdir(dirname(join(draft, to)), { recursive: true });
      for (const name of await copyFilled(join(template.path, from), join(draft, to), given.values)) unfilled.add(name);
    }
  });
  return { wrote: written(target, copy), skipped: copy.skipped, unfilled: [...unfilled].sort() };
}

async function prepare(given: Params, home: string): Promise<{ template: Place; target: Place; copy: Copy }> {
  const template = await ordinaryPlace(home, given.template);
  if (!template.exists || !(await lstat(template.path)).isDirectory()) {
    throw new DispatcherError('invalid_input', `${given.template} is no folder in the home.`, {
      hint: 'Name the folder that is the template, relative to the home.',
    });
  }
  const target = await ordinaryPlace(home, given.target);
  if (target.exists) throw alreadyThere(target.name);
  if (isInside(template.path, target.path)) {
    throw new DispatcherError('invalid_input', `${given.target} lies in the template itself.`, {
      hint: 'Choose a target outside the template.',
    });
  }
  const copy: Copy = { files: [], folders: [], skipped: [], bytes: 0 };
  await collect(template.path, { from: '', to: '' }, given.values, copy);
  return { template, target, copy };
}

async function collect(root: string, at: { from: string; to: string }, values: Params['values'], copy: Copy) {
  const entries = await readdir(join(root, at.from), { withFileTypes: true });
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const from = join(at.from, entry.name);
    if (entry.name.startsWith('.') || !(entry.isFile() || entry.isDirectory())) {
      copy.skipped.push(from);
      continue;
    }
    const to = join(at.to, filledName(entry.name, values));
    if (copy.files.some((file) => file.to === to) || copy.folders.includes(to)) throw collision(to);
    if (entry.isDirectory()) {
      copy.folders.push(to);
      await collect(root, { from, to }, values, copy);
    } else {
      copy.files.push({ from, to });
      copy.bytes += (await lstat(join(root, from))).size;
      refuseTooMuch(copy);
    }
  }
}

function refuseTooMuch({ files, bytes }: Copy): void {
  if (files.length <= limits.files && bytes <= limits.bytes) return;
  throw new DispatcherError(
    'too_large',
    `The template has more than ${limits.files} files or ${limits.bytes / 1024 / 1024} MiB.`,
    { hint: 'Leave out what can be made anew, such as node_modules.' },
  );
}

const collision = (to: string): DispatcherError =>
  new DispatcherError('invalid_input', `Two entries of the template would both be named ${to}.`, {
    hint: 'Choose values that keep the names apart.',
  });

/** A name may be filled in, and must stay one ordinary name. */
function filledName(name: string, values: Params['values']): string {
  const filled = fill(name, values).text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a file name must hold none
  if (filled !== '' && !/[/\\\u0000-\u001f]/.test(filled) && !filled.startsWith('.') && filled.length <= 200)
    return filled;
  throw new DispatcherError('invalid_input', `${name} would be named ${JSON.stringify(filled)}.`, {
    hint: 'A value that stands in a file name holds no slash and begins with no dot.',
  });
}

function fill(text: string, values: Params['values']): { text: string; unfilled: string[] } {
  const unfilled: string[] = [];
  const filled = text.replace(placeholder, (whole, name: string) => {
    if (Object.hasOwn(values, name)) return values[name] ?? whole;
    unfilled.push(name);
    return whole;
  });
  return { text: filled, unfilled };
}

/** Answers the placeholders that were left as they are. What is no text is copied as it is. */
async function copyFilled(from: string, to: string, values: Params['values']): Promise<string[]> {
  const content = await readFile(from);
  if (content.includes(0) || !isUtf8(content)) {
    await copyFile(from, to);
    return [];
  }
  const { text, unfilled } = fill(content.toString('utf8'), values);
  await writeFile(to, text, { mode: (await lstat(from)).mode & 0o777 });
  return unfilled;
}

const written = (target: Place, { files, folders }: Copy): string[] => [
  ...folders.map((folder) => `${join(target.name, folder)}/`),
  ...files.map(({ to }) => join(target.name, to)),
];
