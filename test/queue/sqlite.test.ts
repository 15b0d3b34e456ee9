// The store on real SQLite files.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Clock } from '../../src/clock.js';
import { openSqliteStore } from '../../src/queue/sqlite/index.js';
import { storeConformance } from '../conformance/store.js';
import { layEmptyStore } from '../helpers/empty-store.js';

const sequences = Number(process.env.DOE_MODEL_RUNS ?? 25);

const fresh = async () => {
  const home = mkdtempSync(join(tmpdir(), 'doe-store-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  layEmptyStore(home);
  return async (clock: Clock) => openSqliteStore({ home, clock });
};

storeConformance('SQLite', fresh, { sequences });
