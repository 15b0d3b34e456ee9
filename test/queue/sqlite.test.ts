// The store on real SQLite files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import { storeConformance } from '../conformance/store.js';

storeConformance('SQLite', async () => {
  const home = mkdtempSync(join(tmpdir(), 'doe-store-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  return async (clock) => openSqliteStore({ home, clock });
});
