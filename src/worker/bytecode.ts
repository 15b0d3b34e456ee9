// Python's bytecode: beside a script it could be planted, and in an empty folder every run compiles Python's own library anew (130 ms).
// So each script digest has a folder of its own, private to this worker and gone with it: what was acknowledged is what was compiled.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from '../once.js';
import type { ProcessRow } from '../queue/store.js';
import { processRuns, processStart } from './process-group.js';

export interface Bytecode {
  /** The folder for runs of this script digest; Python makes it. */
  folderFor(scriptSha256: string): Promise<string>;
  remove(): Promise<void>;
}

const prefixOf = (processId: string): string => `doe-bytecode-${processId}-`;

/** The folder's name says whose it is, for whoever finds it after that process died. */
export function createBytecode(processId: string): Bytecode {
  const prefix = `${prefixOf(processId)}${processStart(process.pid) ?? ''}-`;
  const root = once(() => mkdtemp(join(tmpdir(), prefix)));
  return {
    async folderFor(scriptSha256) {
      return join(await root(), scriptSha256);
    },
    async remove() {
      const made = root.begun;
      root.forget();
      if (made !== undefined) await rm(await made, { recursive: true, force: true });
    },
  };
}

/** Removes what a process left that died without a word; nothing of one that lives, though it shows no beat. */
export async function removeBytecodeOf({ id, host, pid }: Pick<ProcessRow, 'id' | 'host' | 'pid'>): Promise<void> {
  if (host !== hostname()) return;
  const prefix = prefixOf(id);
  for (const name of (await readdir(tmpdir())).filter((one) => one.startsWith(prefix))) {
    const start = name.slice(prefix.length).split('-', 1)[0] || null;
    if (!processRuns(pid, start)) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}
