// A run's scratch folder, and the one JSON value that a script may leave in it.
import { lstat, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonValue } from '../tasks/outcome.js';

export const maxResultBytes = 256 * 1024;

export interface Scratch {
  folder: string;
  resultFile: string;
  remove(): Promise<void>;
}

export async function createScratch(): Promise<Scratch> {
  const folder = await mkdtemp(join(tmpdir(), 'doe-run-'));
  return {
    folder,
    resultFile: join(folder, 'result.json'),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export type ResultRead =
  | { ok: true; value: JsonValue | undefined }
  | { ok: false; errorType: 'result_invalid' | 'result_too_large'; message: string };

/** The script's result; undefined where it wrote none. A link is not read: it could lead anywhere. */
export async function readResult(file: string, redact: (text: string) => string): Promise<ResultRead> {
  const facts = await lstat(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (facts === null || facts.size === 0) return { ok: true, value: undefined };
  const invalid = (message: string): ResultRead => ({ ok: false, errorType: 'result_invalid', message });
  if (!facts.isFile()) return invalid('DOE_RESULT_FILE is no plain file any more.');
  if (facts.size > maxResultBytes) {
    return {
      ok: false,
      errorType: 'result_too_large',
      message: `The script wrote ${facts.size} bytes to DOE_RESULT_FILE; at most ${maxResultBytes} are taken.`,
    };
  }
  try {
    return { ok: true, value: JSON.parse(redact(await readFile(file, 'utf8'))) as JsonValue };
  } catch (error) {
    return invalid(`What the script wrote to DOE_RESULT_FILE is no JSON: ${(error as Error).message}`);
  }
}
