// Recomputes the audit trail from its rows and names each one that is not as it was written.
// Reads page by page and gives way between pages: a long trail must not hold up the moves that write it.
import type { Database } from 'better-sqlite3';
import type { AuditFault, AuditReport, ChainHead } from '../store.js';
import { prepareOnce } from './driver.js';
import { eventHash } from './events.js';
import type { EventRow } from './rows.js';
import { type SealRow, sealHash } from './seals.js';

const pageSize = 500;
const faultLimit = 100;

export async function verifyTrail(db: Database): Promise<AuditReport> {
  const lastGiven = prepareOnce<[string], number>(db, 'SELECT seq FROM sqlite_sequence WHERE name = ?').pluck();
  const newest = { event: lastGiven.get('events') ?? 0, seal: lastGiven.get('seals') ?? 0 };
  const events = await verifyEvents(db, newest.event);
  const seals = await verifySeals(db, newest.seal, events.faults);
  const states = await verifyStates(db, [...events.faults.values()]);
  const faults = [...events.faults.values(), ...seals.faults, ...states].sort((one, other) => one.seq - other.seq);
  return { events: events.count, ...seals.report, faults: faults.slice(0, faultLimit) };
}

type Faults = Map<number, AuditFault>;

/** Rows after a place, page by page. */
async function* paged<Row extends { seq: number }>(page: (after: number) => Row[]): AsyncGenerator<Row> {
  let after = 0;
  for (;;) {
    const rows = page(after);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.seq;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

const named = ({ seq, task_id: taskId }: Pick<EventRow, 'seq' | 'task_id'>) =>
  `event ${seq} ${taskId === null ? 'of the home' : `of task ${taskId}`}`;

/** The places from `from` up to and without `to`; no more of them than anybody reads. */
const places = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, Math.min(to - from, faultLimit)) }, (_, index) => from + index);

interface Linked extends EventRow {
  previous_seq: number | null;
  previous_hash: string | null;
}

/** In commit order: places without a row, and rows that are not what their hash says. */
async function verifyEvents(db: Database, newest: number): Promise<{ count: number; faults: Faults }> {
  const before = (column: string) =>
    `(SELECT p.${column} FROM events AS p WHERE p.task_id IS e.task_id AND p.seq < e.seq ORDER BY p.seq DESC LIMIT 1) AS previous_${column}`;
  const page = prepareOnce<[number, number, number], Linked>(
    db,
    `SELECT e.*, ${before('seq')}, ${before('hash')} FROM events AS e WHERE e.seq > ? AND e.seq <= ? ORDER BY e.seq LIMIT ?`,
  );
  const faults: Faults = new Map();
  let expected = 1;
  let count = 0;
  const noteMissing = (upTo: number, next: string) => {
    for (const seq of places(expected, upTo))
      faults.set(seq, { kind: 'event_missing', seq, taskId: null, message: `Event ${seq} was removed${next}.` });
  };
  for await (const row of paged((after) => page.all(after, newest, pageSize))) {
    noteMissing(row.seq, `; ${named(row)} came after it`);
    if (!fits(row)) faults.set(row.seq, faultOf(row, removedBetween(faults, row.previous_seq ?? 0, row.seq)));
    expected = row.seq + 1;
    count += 1;
  }
  noteMissing(newest + 1, '');
  return { count, faults };
}

const removedBetween = (faults: Faults, from: number, to: number): boolean =>
  [...faults.values()].some(({ kind, seq }) => kind === 'event_missing' && seq > from && seq < to);

function fits({ previous_seq: _, previous_hash: previous, hash, ...content }: Linked): boolean {
  return eventHash(content, previous ?? '') === hash;
}

/** What follows a removed event of its chain cannot fit, and may all the same be as it was written. */
function faultOf(row: Linked, afterRemoved: boolean): AuditFault {
  const about = { seq: row.seq, taskId: row.task_id };
  return afterRemoved
    ? { kind: 'event_unproven', ...about, message: `The ${named(row)} cannot be checked: one before it was removed.` }
    : { kind: 'event_changed', ...about, message: `The ${named(row)} was edited or moved, or the one before it was.` };
}

interface State {
  seq: number;
  id: string;
  status: string;
  event: number | null;
  to_status: string | null;
}

/** Every task is where its newest event left it: events cut off the end before they were sealed show here, and tasks moved past them. */
async function verifyStates(db: Database, known: AuditFault[]): Promise<AuditFault[]> {
  // What a removed event leaves behind is told already.
  if (known.some(({ kind, taskId }) => kind === 'event_missing' && taskId === null)) return [];
  const told = new Set(known.map(({ taskId }) => taskId));
  const page = prepareOnce<[number, number], State>(
    db,
    `SELECT t.seq, t.id, t.status, e.seq AS event, e.to_status FROM tasks AS t LEFT JOIN events AS e
       ON e.seq = (SELECT max(n.seq) FROM events AS n WHERE n.task_id = t.id AND n.to_status IS NOT NULL)
     WHERE t.seq > ? ORDER BY t.seq LIMIT ?`,
  );
  const faults: AuditFault[] = [];
  for await (const { id, status, event, to_status: to } of paged((after) => page.all(after, pageSize)))
    if (to !== status && !told.has(id) && faults.length < faultLimit)
      faults.push({
        kind: 'state_unproven',
        seq: event ?? 0,
        taskId: id,
        message: `Task ${id} is ${status}, and its newest event ${event === null ? 'is missing' : `(${event}) says ${to}`}: an event after it was removed, or the task was changed past the trail.`,
      });
  return faults;
}

/** Each seal against its hash, and the heads that it keeps against the events that are there. */
async function verifySeals(
  db: Database,
  newest: number,
  events: Faults,
): Promise<{ report: Pick<AuditReport, 'seals' | 'sealedUpTo' | 'sealHash'>; faults: AuditFault[] }> {
  const page = prepareOnce<[number, number], SealRow>(db, 'SELECT * FROM seals WHERE seq > ? ORDER BY seq LIMIT ?');
  const hashAt = prepareOnce<[number], string>(db, 'SELECT hash FROM events WHERE seq = ?').pluck();
  const report = { seals: 0, sealedUpTo: 0, sealHash: null as string | null };
  const faults: AuditFault[] = [];
  let expected = 1;
  const noteMissing = (upTo: number) => {
    for (const seq of places(expected, upTo))
      faults.push({ kind: 'seal_missing', seq, taskId: null, message: `Seal ${seq} was removed.` });
  };
  const noteChanged = (seq: number) =>
    faults.push({ kind: 'seal_changed', seq, taskId: null, message: `Seal ${seq} was edited or moved.` });
  for await (const row of paged((after) => page.all(after, pageSize))) {
    noteMissing(row.seq);
    const { hash, ...content } = row;
    if (sealHash(content, report.sealHash ?? '') === hash) checkHeads(row, hashAt, events);
    // What follows a removed seal cannot fit; the removal is named.
    else if (row.seq === expected) noteChanged(row.seq);
    expected = row.seq + 1;
    report.seals += 1;
    report.sealedUpTo = row.up_to;
    report.sealHash = hash;
  }
  noteMissing(newest + 1);
  return { report, faults };
}

/** An event at a chain's end that was cut off or rewritten together with its hash shows only here. */
function checkHeads(seal: SealRow, hashAt: { get(seq: number): string | undefined }, events: Faults): void {
  for (const { seq, taskId, hash } of JSON.parse(seal.heads) as ChainHead[]) {
    const present = hashAt.get(seq);
    if (present === hash) continue;
    const what = named({ seq, task_id: taskId });
    if (present === undefined)
      events.set(seq, { kind: 'event_missing', seq, taskId, message: `The ${what} was removed after it was sealed.` });
    else if (!events.has(seq))
      events.set(seq, {
        kind: 'event_changed',
        seq,
        taskId,
        message: `The ${what} was rewritten after it was sealed.`,
      });
  }
}
