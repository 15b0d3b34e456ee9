// News from the disk, sooner than the next use would bring it. Decides nothing.
import { join } from 'node:path';
import type { FSWatcher } from 'chokidar';
import type { Log } from '../log.js';

export interface DiskWatch {
  watch(listener: () => void): () => void;
  /** Resolves when changes are seen from now on. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Watches directives/ and execution/ while somebody listens; chokidar is loaded on the first listener. Listeners are also
 * called when the watch begins to see: what changed until then would be news to nobody.
 */
export function createDiskWatch(home: string, log: Log): DiskWatch {
  const listeners = new Set<() => void>();
  let watcher: Promise<FSWatcher> | undefined;
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const start = async () => {
    const { watch } = await import('chokidar');
    const folders = ['directives', 'execution'].map((folder) => join(home, folder));
    const started = watch(folders, {
      ignoreInitial: true,
      ignored: /(^|\/)(\.|node_modules|__pycache__)[^/]*$/,
      followSymlinks: false,
    })
      .on('all', tell)
      .on('error', (error) => log.warn('directives.watch_failed', { error }));
    await new Promise<void>((resolve) => started.once('ready', resolve));
    tell();
    return started;
  };
  return {
    watch(listener) {
      listeners.add(listener);
      watcher ??= start();
      return () => listeners.delete(listener);
    },
    async ready() {
      await watcher;
    },
    async close() {
      listeners.clear();
      await (await watcher)?.close();
    },
  };
}
