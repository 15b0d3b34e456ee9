// Python's bytecode: beside a script it could be planted, and in an empty folder every run compiles Python's own library anew (130 ms).
// So each script digest has a folder of its own, private to this worker and gone with it: what was acknowledged is what was compiled.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from '../once.js';

export interface Bytecode {
  /** The folder for runs of this script digest; Python makes it. */
  folderFor(scriptSha256: string): Promise<string>;
  remove(): Promise<void>;
}

export function createBytecode(): Bytecode {
  const root = once(() => mkdtemp(join(tmpdir(), 'doe-bytecode-')));
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
