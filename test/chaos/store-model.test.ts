// The nightly size of what the everyday tests do with a few hundred sequences.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import { storeConformance } from '../conformance/store.js';

storeConformance(
  'SQLite, at length,',
  async () => {
    const home = mkdtempSync(join(tmpdir(), 'doe-store-'));
    onTestFinished(() => rmSync(home, { recursive: true, force: true }));
    return async (clock) => openSqliteStore({ home, clock });
  },
  { sequences: 10_000 },
);
