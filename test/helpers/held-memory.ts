// What another process holds once its garbage is gone: the fixture held-memory.mjs, loaded into it, tells.
import { readFileSync, rmSync, watch } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { temporaryFolder } from './test-app.js';

const fixture = join(dirname(dirname(fileURLToPath(import.meta.url))), 'fixtures', 'held-memory.mjs');

export interface MemoryGauge {
  /** For the environment of the process. */
  environment: Record<string, string>;
  /** In bytes. */
  heldBy(pid: number): Promise<number>;
}

export function memoryGauge(): MemoryGauge {
  const file = join(temporaryFolder(), 'held');
  return {
    environment: { NODE_OPTIONS: `--import=${pathToFileURL(fixture).href}`, HELD_MEMORY_FILE: file },
    heldBy(pid) {
      rmSync(file, { force: true });
      return new Promise((resolve) => {
        const watcher = watch(dirname(file), (_, name) => {
          if (name !== basename(file)) return;
          watcher.close();
          resolve(Number(readFileSync(file, 'utf8')));
        });
        process.kill(pid, 'SIGUSR2');
      });
    },
  };
}
