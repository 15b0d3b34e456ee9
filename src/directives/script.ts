// A directive's script, and the digest over all that it can load: what an ack covers besides directive and payload.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '../acks/binding.js';
import { DispatcherError } from '../errors.js';
import { containedPath } from './contain.js';
import { digestOf, treeDigests } from './digest.js';
import type { Script, TaskDirective } from './index.js';

const defaultEndings = ['.py', '.mjs', '.js', '.sh'] as const;
/** What `includes` covers only where it names it. */
const passedOver = ['__pycache__', 'node_modules'];

export interface ScriptDigest {
  sha256: string;
  script: Script;
  fixScript: Script | null;
  /** The digests of the files that it can load, by their names in execution/. */
  covered: Record<string, string>;
}

/** @throws DispatcherError `script_missing`, `too_much_covered` */
export async function digestScript(home: string, { id, frontMatter }: TaskDirective): Promise<ScriptDigest> {
  const execution = join(home, 'execution');
  const script =
    frontMatter.script === null
      ? await defaultScript(execution, id, frontMatter.taskType)
      : await namedScript(execution, id, frontMatter.script);
  const fixScript = frontMatter.fixScript === null ? null : await namedScript(execution, id, frontMatter.fixScript);
  const covered = await treeDigests(execution, {
    patterns: frontMatter.includes,
    skip: passedOver,
    refuse: (why) =>
      new DispatcherError('too_much_covered', `The script of the directive ${id} cannot be covered: ${why}.`, {
        hint: `Narrow \`includes\` in the directive ${id} to the files that its script loads, and keep those themselves in execution/.`,
      }),
  });
  const sha256 = digestOf({
    ...Object.fromEntries(Object.entries(covered).map(([name, digest]) => [`file:${name}`, digest])),
    // Of the very bytes that are shown: a file swapped between two looks fits neither.
    [`script:${script.name}`]: script.sha256,
    [`fix_script:${fixScript?.name ?? ''}`]: fixScript?.sha256 ?? null,
  });
  return { sha256, script, fixScript, covered };
}

const textLimits = { files: 200, bytes: 64 * 1024 };

/** For later diffs alone: what cannot be read as it was covered is left out. */
export function coveredTexts(home: string, covered: Record<string, string>): { sha256: string; text: string }[] {
  const entries = Object.entries(covered).slice(0, textLimits.files);
  return entries.flatMap(([name, sha256]) => {
    const text = textOf(join(home, 'execution', name));
    return text !== null && sha256Hex(text) === sha256 ? [{ sha256, text }] : [];
  });
}

function textOf(path: string): string | null {
  try {
    if (statSync(path).size > textLimits.bytes) return null;
    const text = readFileSync(path, 'utf8');
    return text.includes('\0') ? null : text;
  } catch {
    // It is gone, or may not be read any more; its digest was taken before.
    return null;
  }
}

async function namedScript(execution: string, directive: string, name: string): Promise<Script> {
  const found = await containedPath(execution, name).catch(missingFolder);
  if (found === 'outside')
    throw new DispatcherError(
      'script_missing',
      `The script ${name} of the directive ${directive} leads out of execution/.`,
      { hint: 'Put the script itself into execution/.' },
    );
  if (found === 'missing')
    throw new DispatcherError(
      'script_missing',
      `The script ${name} of the directive ${directive} is not in execution/.`,
      { hint: `Write execution/${name}, or correct \`script\`.` },
    );
  return readScript(found.path, name);
}

async function defaultScript(execution: string, directive: string, taskType: string): Promise<Script> {
  const stem = taskType.replaceAll('-', '_');
  for (const ending of defaultEndings) {
    const found = await containedPath(execution, stem + ending).catch(missingFolder);
    if (typeof found === 'object') return readScript(found.path, stem + ending);
  }
  throw new DispatcherError(
    'script_missing',
    `The directive ${directive} names no script, and execution/ has no ${stem} with ${defaultEndings.join(', ')}.`,
    {
      hint: `Write execution/${stem}.py, or name another script with \`script\`.`,
    },
  );
}

function readScript(path: string, name: string): Script {
  try {
    const bytes = readFileSync(path);
    return { name, path, text: bytes.toString('utf8'), sha256: sha256Hex(bytes) };
  } catch (cause) {
    throw new DispatcherError('script_missing', `The script ${name} cannot be read: ${(cause as Error).message}.`, {
      hint: 'It must be a readable file.',
      cause,
    });
  }
}

function missingFolder(error: NodeJS.ErrnoException): 'missing' {
  if (error.code === 'ENOENT') return 'missing';
  throw error;
}
