// An empty database of this version's schema, laid out once a process: the schema takes longer than most of what a test does
// with it. That a first start lays it out itself is tested where starts and the store's opening are.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDatabase } from '../../src/queue/sqlite/open.js';

let bytes: Buffer | undefined;

function emptyDatabase(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'doe-empty-'));
  try {
    const file = join(folder, 'db.sqlite');
    openDatabase(file).close();
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Puts it into a home that has none. */
export function layEmptyStore(home: string): void {
  const file = join(home, 'db.sqlite');
  if (existsSync(file)) return;
  bytes ??= emptyDatabase();
  writeFileSync(file, bytes, { mode: 0o600 });
}
