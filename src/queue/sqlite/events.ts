// The audit trail: every event is chained by hash to the one before it of the same task, or of the home.
import type { Database } from 'better-sqlite3';
import { canonicalSha256 } from '../../acks/binding.js';
import type { Clock } from '../../clock.js';
import type { JsonObject } from '../../tasks/outcome.js';
import type { TaskStatus } from '../../tasks/states.js';
import type { Assurance, By } from '../../tasks/task.js';
import type { EventRow } from './rows.js';

export interface EventFacts {
  taskId: string | null;
  type: string;
  from?: TaskStatus | null;
  to?: TaskStatus | null;
  assurance?: Assurance | null;
  data?: JsonObject;
}

export interface EventWriter {
  /** Writes one event inside the move's transaction and answers its time, which is never before the newest event's. */
  write(facts: EventFacts, by: By): number;
  /** The time at which a move happens now. */
  time(): number;
}

/** What the hash of an event covers: its place, all that an auditor reads, and the hash of the event before in its chain. */
export const eventHash = (event: Omit<EventRow, 'hash'>, previous: string): string =>
  canonicalSha256({ ...event, previous });

/** By so much time passes slower than the steady clock while it is ahead of the wall clock, so that it is caught up with some day. */
const pace = 0.999;

/**
 * The time before which it cannot be: the newest known time and what has passed since this process first knew of it. So what was written
 * by a clock that was far ahead, and was put right, neither comes back to life nor keeps time standing still.
 */
function createFloor({ monotonic }: Pick<Clock, 'monotonic'>): (known: number) => number {
  let base = 0;
  let since = monotonic();
  return (known) => {
    const passed = Math.floor(base + (monotonic() - since) * pace);
    if (known <= passed) return passed;
    base = known;
    since = monotonic();
    return known;
  };
}

/** A key's name is the person: it stands beside whatever other name the caller gave itself. */
const personBeside = ({ person, actorId }: By): { person?: string } =>
  person == null || person === actorId ? {} : { person };

export function createEventWriter(db: Database, clock: Clock): EventWriter {
  const newest = db.prepare<[], { at: number }>('SELECT at FROM events ORDER BY seq DESC LIMIT 1');
  // Not the highest seq that is there: the place of a removed event is never given away again.
  const lastPlace = db.prepare<[], number>("SELECT seq FROM sqlite_sequence WHERE name = 'events'").pluck();
  const previous = db.prepare<[string | null], { hash: string }>(
    'SELECT hash FROM events WHERE task_id IS ? ORDER BY seq DESC LIMIT 1',
  );
  const insert = db.prepare(
    `INSERT INTO events (seq, task_id, type, from_status, to_status, actor_id, principal, channel, key_id, assurance, data, at, hash)
     VALUES (@seq, @task_id, @type, @from_status, @to_status, @actor_id, @principal, @channel, @key_id, @assurance, @data, @at, @hash)`,
  );
  const floor = createFloor(clock);
  const time = () => Math.max(clock.now(), floor(newest.get()?.at ?? 0));
  return {
    time,
    write({ taskId, type, from = null, to = null, assurance = null, data = {} }, by) {
      const event = {
        seq: (lastPlace.get() ?? 0) + 1,
        task_id: taskId,
        type,
        from_status: from,
        to_status: to,
        actor_id: by.actorId,
        principal: by.principal,
        channel: by.channel,
        key_id: by.keyId,
        assurance,
        data: JSON.stringify({ ...data, ...personBeside(by) }),
        at: time(),
      };
      floor(event.at);
      insert.run({ ...event, hash: eventHash(event, previous.get(taskId)?.hash ?? '') });
      return event.at;
    },
  };
}
