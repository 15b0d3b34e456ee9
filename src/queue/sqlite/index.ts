// The store on SQLite: one file in the home, shared by all processes of that home.
import { join } from 'node:path';
import type { Clock } from '../../clock.js';
import type { Store } from '../store.js';
import { openConnection } from './connection.js';
import type { Context } from './context.js';
import { createEventWriter } from './events.js';
import { createFailureWriter } from './failures.js';
import { createLedgerStore } from './ledger.js';
import { createLogStore } from './logs.js';
import { createMover } from './move.js';
import { createPeopleStore } from './people.js';
import { createRunMoves } from './runs.js';
import { createTaskMoves } from './tasks.js';

/** Opens, and where needed makes or migrates, `db.sqlite` in the home. */
export function openSqliteStore({ home, clock }: { home: string; clock: Clock }): Store {
  const { db, write, watch, close } = openConnection(join(home, 'db.sqlite'));
  const events = createEventWriter(db, clock);
  const context: Context = { db, write, events, mover: createMover(db, events), failures: createFailureWriter(db) };
  return {
    tasks: { ...createTaskMoves(context), ...createRunMoves(context) },
    logs: createLogStore(context),
    people: createPeopleStore(context),
    ledger: createLedgerStore(context),
    watch,
    now: async () => events.time(),
    close,
  };
}
