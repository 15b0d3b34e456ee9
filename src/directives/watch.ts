// News from the disk, sooner than the next use would bring it. Decides nothing.
import { join } from 'node:path';
import type { FSWatcher } from 'chokidar';
import type { Log } from '../log.js';
import { once } from '../once.js';

export interface DiskWatch {
  watch(listener: () => void): () => void;
  /** Resolves when changes are seen from now on. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Watches directives/ and execution/ from the first listener on until it is closed; chokidar is loaded by that listener. Listeners
 * are also called when the watch begins to see: what changed until then would be news to nobody. A watch that cannot begin is
 * told to the log, and begun again by the next listener: what counts is read from the disk anyway.
 */
export function createDiskWatch(home: string, log: Log): DiskWatch {
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const warn = (error: unknown) => log.warn('directives.watch_failed', { error });
  const start = once(async (): Promise<FSWatcher> => {
    const { watch } = await import('chokidar');
    const folders = ['directives', 'execution'].map((folder) => join(home, folder));
    const started = watch(folders, {
      ignoreInitial: true,
      ignored: /(^|\/)(\.|node_modules|__pycache__)[^/]*$/,
      followSymlinks: false,
    })
      .on('all', tell)
      .on('error', warn);
    await new Promise<void>((resolve) => started.once('ready', resolve));
    tell();
    return started;
  });
  return {
    watch(listener) {
      listeners.add(listener);
      start().catch(warn);
      return () => listeners.delete(listener);
    },
    async ready() {
      await start.begun;
    },
    async close() {
      listeners.clear();
      const watcher = await start.begun?.catch(() => undefined);
      await watcher?.close();
    },
  };
}
