// Opens the store that the settings name.
import type { Clock } from '../clock.js';
import { DispatcherError } from '../errors.js';
import type { Log } from '../log.js';
import type { Store } from './store.js';

export interface StoreOptions {
  home: string;
  databaseUrl: string | null;
  clock: Clock;
  log: Log;
}

/** @throws DispatcherError `home_not_writable`, `database_newer`, `database_broken`, `native_binding_missing`, `config_invalid` */
export async function openStore({ home, databaseUrl, clock }: StoreOptions): Promise<Store> {
  if (databaseUrl !== null) {
    throw new DispatcherError(
      'config_invalid',
      'DOE_DATABASE_URL is set, but this version keeps its store in SQLite only.',
      {
        hint: 'Unset DOE_DATABASE_URL.',
      },
    );
  }
  const { openSqliteStore } = await import('./sqlite/index.js');
  return openSqliteStore({ home, clock });
}
