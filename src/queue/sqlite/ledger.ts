// Events, living processes, kept texts, and the home's own facts.
import { randomBytes } from 'node:crypto';
import { fromCursor, toCursor } from '../cursor.js';
import type { LedgerStore } from '../store.js';
import type { Context } from './context.js';
import { prepareOnce } from './driver.js';
import { createFigures } from './figures.js';
import {
  type AnnealColumns,
  type EventRow,
  type FailureColumns,
  type ProcessColumns,
  type RunColumns,
  toAnneal,
  toEvent,
  toFailure,
  toProcess,
  toVisiblePayload,
} from './rows.js';
import { createSealer } from './seals.js';
import { verifyTrail } from './verify.js';

const annealRows = `SELECT f.*, a.seq AS anneal_seq, a.aid AS anneal_aid, a.status AS anneal_status, a.opened_at, a.closed_at
  FROM anneal_tasks AS a JOIN failures AS f ON f.id = a.failure_id`;

/** How old the last sign of a text's use may grow before the next one is written: half of the shortest time that anything is kept. */
const keptAnewAfterMs = 12 * 60 * 60_000;

export function createLedgerStore({ db, write, events }: Context): LedgerStore {
  const allEvents = db.prepare<[number, number], EventRow>('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?');
  const eventsOf = db.prepare<[string | null, number, number], EventRow>(
    'SELECT * FROM events WHERE task_id IS ? AND seq > ? ORDER BY seq LIMIT ?',
  );
  const lastEvents = db.prepare<[number, number], EventRow>(
    'SELECT * FROM events WHERE seq > ? ORDER BY seq DESC LIMIT ?',
  );
  const lastEventsOf = db.prepare<[string | null, number, number], EventRow>(
    'SELECT * FROM events WHERE task_id IS ? AND seq > ? ORDER BY seq DESC LIMIT ?',
  );
  const newestSeq = db.prepare<[], { seq: number | null }>('SELECT max(seq) AS seq FROM events');
  const join = db.prepare(
    `INSERT INTO processes (id, kind, host, pid, pid_start, address, worker, version, started_at, beat_at)
     VALUES (@id, @kind, @host, @pid, @pidStart, @address, @worker, @version, @at, @at)`,
  );
  const beat = db.prepare('UPDATE processes SET beat = beat + 1, beat_at = ?, worker = ? WHERE id = ?');
  const leave = db.prepare('DELETE FROM processes WHERE id = ?');
  const processes = db.prepare<[], ProcessColumns>('SELECT * FROM processes ORDER BY started_at, id');
  const anneal = db.prepare<[string], AnnealColumns>(`${annealRows} WHERE a.aid = ?`);
  const alike = db.prepare<[string, number], FailureColumns>(
    'SELECT * FROM failures WHERE fingerprint = ? ORDER BY id DESC LIMIT ?',
  );
  const countAlike = db.prepare<[string], { failures: number; tasks: number }>(
    'SELECT count(*) AS failures, count(DISTINCT task_id) AS tasks FROM failures WHERE fingerprint = ?',
  );
  const lastFailure = db.prepare<[string], FailureColumns>(
    'SELECT * FROM failures WHERE task_id = ? ORDER BY id DESC LIMIT 1',
  );
  const failedPayload = db.prepare<[object], Pick<RunColumns, 'payload_json' | 'secret_paths'>>(
    `SELECT payload_json, secret_paths FROM failures WHERE id = @id AND payload_json IS NOT NULL
     UNION ALL SELECT r.payload_json, r.secret_paths FROM failures AS f JOIN runs AS r ON r.id = f.run_id WHERE f.id = @id`,
  );
  const keep = db.prepare(
    `INSERT INTO contents (sha256, kind, text, kept_at) VALUES (@sha256, @kind, @text, @at)
     ON CONFLICT (sha256) DO UPDATE SET kept_at = excluded.kept_at`,
  );
  const keptAt = db.prepare<[string], number>('SELECT kept_at FROM contents WHERE sha256 = ?').pluck();
  const content = db.prepare<[string], { text: string }>('SELECT text FROM contents WHERE sha256 = ?');
  const seen = db.prepare('SELECT 1 FROM directives WHERE id = ? AND sha256 = ?');
  const note = db.prepare(
    'INSERT OR IGNORE INTO directives (sha256, id, version, title, task_type, first_seen_at) VALUES (@sha256, @id, @version, @title, @taskType, @at)',
  );
  const revisions = db.prepare<[string], { sha256: string; version: number; firstSeenAt: number }>(
    'SELECT sha256, version, first_seen_at AS firstSeenAt FROM directives WHERE id = ? ORDER BY first_seen_at DESC, rowid DESC',
  );
  const fact = db.prepare<[string], { value: string }>('SELECT value FROM facts WHERE name = ?');
  const addFact = db.prepare('INSERT OR IGNORE INTO facts (name, value) VALUES (?, ?)');
  const changeFact = db.prepare('UPDATE facts SET value = ? WHERE name = ? AND value = ?');

  const sealer = createSealer(db);

  const setFact = (name: string, value: string, expected?: string) =>
    write(true, () => {
      if (expected === undefined) addFact.run(name, value);
      else changeFact.run(value, name, expected);
      return fact.get(name)?.value ?? '';
    });

  return {
    record: (event, by) => write(true, () => void events.write(event, by)),
    async events({ taskId, after = 0, limit, newest = false }) {
      const of = newest ? lastEventsOf : eventsOf;
      const all = newest ? lastEvents : allEvents;
      const rows = taskId === undefined ? all.all(after, limit) : of.all(taskId, after, limit);
      return (newest ? rows.reverse() : rows).map(toEvent);
    },
    changes: async (afterSeq, limit) => allEvents.all(afterSeq, limit).map(toEvent),
    newestSeq: async () => newestSeq.get()?.seq ?? 0,
    seal: async () => (sealer.due() ? ((await write(true, () => sealer.seal(events.time()))) ?? null) : null),
    sealed: async (hash) => sealer.find(hash),
    verify: () => verifyTrail(db),

    join: (process) => write(false, () => void join.run({ ...process, at: events.time() })),
    beat: (processId, worker) => write(false, () => beat.run(events.time(), worker, processId).changes > 0),
    leave: (processId) => write(false, () => void leave.run(processId)),
    processes: async () => processes.all().map(toProcess),

    async anneals({ status, taskId, limit, cursor }) {
      const before = fromCursor('anneals', cursor);
      const conditions = [
        ...(status === undefined ? [] : ['a.status = @status']),
        ...(taskId === undefined ? [] : ['a.task_id = @taskId']),
        ...(before === null ? [] : ['a.seq < @before']),
      ];
      const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
      const given = Object.fromEntries(Object.entries({ status, taskId, before }).filter(([, value]) => value != null));
      const rows = prepareOnce<[object], AnnealColumns & { anneal_seq: number }>(
        db,
        `${annealRows} ${where} ORDER BY a.seq DESC LIMIT @limit`,
      ).all({ ...given, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = page.at(-1);
      return {
        anneals: page.map(toAnneal),
        nextCursor: rows.length > limit && last !== undefined ? toCursor('anneals', last.anneal_seq) : null,
      };
    },
    async anneal(aid) {
      const row = anneal.get(aid);
      return row === undefined ? null : toAnneal(row);
    },
    countLike: async (fingerprint) => countAlike.get(fingerprint) ?? { failures: 0, tasks: 0 },
    failuresLike: async (fingerprint, limit) => alike.all(fingerprint, limit).map(toFailure),
    async lastFailure(taskId) {
      const row = lastFailure.get(taskId);
      return row === undefined ? null : toFailure(row);
    },
    async failedPayload(failureId) {
      const row = failedPayload.get({ id: failureId });
      return row === undefined ? null : toVisiblePayload(row);
    },

    async keep(contents) {
      const now = events.time();
      const due = contents.filter(({ sha256 }) => (keptAt.get(sha256) ?? 0) <= now - keptAnewAfterMs);
      if (due.length === 0) return [];
      return write(true, () => {
        const missing = due.filter(({ sha256 }) => keptAt.get(sha256) === undefined);
        for (const item of due) keep.run({ ...item, at: events.time() });
        return missing.map(({ sha256 }) => sha256);
      });
    },
    content: async (sha256) => content.get(sha256)?.text ?? null,
    async noteDirective(revision) {
      if (seen.get(revision.id, revision.sha256) !== undefined) return;
      await write(true, () => void note.run({ ...revision, at: events.time() }));
    },
    revisions: async (directiveId) => revisions.all(directiveId),

    figures: createFigures(db, events.time),

    homeId: async () => fact.get('home_id')?.value ?? setFact('home_id', randomBytes(12).toString('hex')),
    fact: async (name) => fact.get(name)?.value ?? null,
    setFact,
  };
}
