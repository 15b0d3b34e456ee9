// What `doe doctor` asks of the machine, before any home.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../clock.js';
import { DispatcherError } from '../errors.js';
import { openStore } from '../queue/index.js';
import { type Finding, ok, wrong } from './finding.js';
import { quietLog } from './output.js';

const oldestNode = [20, 19] as const;

export function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const enough = major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
  const found = `Node ${process.versions.node}`;
  return enough
    ? ok('node', found)
    : wrong('node', `${found} is too old.`, `Install Node ${oldestNode.join('.')} or newer.`);
}

/** The native part of the database driver, tried on an empty store of its own. */
export async function nativeBinding(): Promise<Finding> {
  const folder = await mkdtemp(join(tmpdir(), 'doe-doctor-'));
  try {
    const store = await openStore({ home: folder, databaseUrl: null, clock: systemClock, log: quietLog() });
    await store.close();
    return ok('database driver', 'It loads and can write.');
  } catch (error) {
    if (error instanceof DispatcherError) return wrong('database driver', error.message, error.hint ?? '');
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
