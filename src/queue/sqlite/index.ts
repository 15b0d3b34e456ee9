// The store on SQLite: one file in the home, shared by all processes of that home.
import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import type { Store } from '../store.js';
import { type Connection, openConnection } from './connection.js';
import type { Context } from './context.js';
import { createEventWriter } from './events.js';
import { createFailureWriter } from './failures.js';
import { createLedgerStore } from './ledger.js';
import { createLogStore } from './logs.js';
import { createMover } from './move.js';
import { createPeopleStore } from './people.js';
import { createRunMoves } from './runs.js';
import { createTaskMoves } from './tasks.js';
import { createBackup, createPruning } from './upkeep.js';

/** Opens, and where needed makes or migrates, `db.sqlite` in the home. */
export const openSqliteStore = ({ home, clock }: { home: string; clock: Clock }): Store =>
  storeOn(openConnection(join(home, 'db.sqlite')), clock);

/** The store over a connection that is open. */
export function storeOn({ db, write, read, watch, close }: Connection, clock: Clock): Store {
  const events = createEventWriter(db, clock);
  const context: Context = { db, write, events, mover: createMover(db, events), failures: createFailureWriter(db) };
  /** Each method's reads look again while a lock is in the way, and leave SQLite's faults in our words. */
  const reading = <Part extends object>(part: Part): Part =>
    Object.fromEntries(
      Object.entries(part).map(([name, method]) => [name, (...args: unknown[]) => read(() => method(...args))]),
    ) as Part;
  return {
    tasks: reading({ ...createTaskMoves(context), ...createRunMoves(context) }),
    logs: reading(createLogStore(context)),
    people: reading(createPeopleStore(context)),
    ledger: reading(createLedgerStore(context)),
    watch,
    prune: createPruning({ db, write }),
    backup: createBackup({ db }),
    now: () => read(events.time),
    close,
  };
}
