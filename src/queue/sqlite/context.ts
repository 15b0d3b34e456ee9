// What the parts of the adapter share.
import type { Database } from 'better-sqlite3';
import type { Connection } from './connection.js';
import type { EventWriter } from './events.js';
import type { FailureWriter } from './failures.js';
import type { Mover } from './move.js';

export interface Context {
  db: Database;
  write: Connection['write'];
  events: EventWriter;
  mover: Mover;
  failures: FailureWriter;
}
