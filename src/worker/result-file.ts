// A run's scratch folder, and the one JSON value that a script may leave in it.
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { depthOf, maxDepth } from '../directives/json.js';
import { mapText } from '../map-text.js';
import type { Redact } from '../redact.js';
import type { JsonValue } from '../tasks/outcome.js';

export const maxResultBytes = 256 * 1024;

export interface Scratch {
  folder: string;
  resultFile: string;
  remove(): Promise<void>;
}

const prefixOf = (runId: string): string => `doe-${runId}-`;

/** A folder of this run's own, readable by this user alone. */
export async function createScratch(runId: string): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), prefixOf(runId)));
  return {
    folder,
    resultFile: join(folder, 'result.json'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Removes what a run whose worker died has left. */
export async function removeScratches(runId: string): Promise<void> {
  const left = (await readdir(tmpdir())).filter((name) => name.startsWith(prefixOf(runId)));
  await Promise.all(left.map((name) => rm(join(tmpdir(), name), { recursive: true, force: true })));
}

export type ResultRead =
  | { ok: true; value: JsonValue | undefined }
  | { ok: false; errorType: 'result_invalid' | 'result_too_large'; message: string };

/** The script's result; undefined where it wrote none. A link is not read: it could lead anywhere. */
export async function readResult(file: string, redact: Redact): Promise<ResultRead> {
  const facts = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (facts === null) return { ok: true, value: undefined };
  const invalid = (message: string): ResultRead => ({ ok: false, errorType: 'result_invalid', message });
  if (!facts.isFile()) return invalid('DOE_RESULT_FILE is no plain file any more.');
  if (facts.size === 0) return { ok: true, value: undefined };
  if (facts.size > maxResultBytes) {
    return {
      ok: false,
      errorType: 'result_too_large',
      message: `The script wrote ${facts.size} bytes to DOE_RESULT_FILE; at most ${maxResultBytes} are taken.`,
    };
  }
  try {
    const text = await readFile(file, 'utf8');
    if (depthOf(text) > maxDepth)
      return invalid(`What the script wrote to DOE_RESULT_FILE is nested more than ${maxDepth} levels deep.`);
    return { ok: true, value: mapText(JSON.parse(text) as JsonValue, redact) };
  } catch (error) {
    // The parser quotes a few characters of the text: a part of a secret that nobody would know for one.
    const where = /at position \d+/.exec((error as Error).message)?.[0];
    return invalid(`What the script wrote to DOE_RESULT_FILE is no JSON${where === undefined ? '' : ` (${where})`}.`);
  }
}
