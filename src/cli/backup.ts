// `doe backup FILE`: a whole copy of the home's database as of now, while everything goes on. With and without a bridge.
import { resolve } from 'node:path';
import { loadConfig } from '../config.js';
import { type CommonOptions, settingsOf, withDispatcher } from './home.js';
import { say, sayJson } from './output.js';
import { visibleLine } from './text.js';

export async function run(given: string, options: CommonOptions): Promise<void> {
  const { home } = await settingsOf(options);
  const file = resolve(given);
  await withDispatcher(loadConfig(home), ({ store }) => store.backup(file));
  if (options.json === true) return sayJson({ file });
  say(`Wrote ${visibleLine(file)}. To go back to it: stop every doe of this home, put it in place of db.sqlite, and`);
  say('remove db.sqlite-wal and db.sqlite-shm.');
}
