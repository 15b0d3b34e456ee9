// The port to what is remembered. Each method is one atomic business move; nothing of transactions or SQL leaks out.
// A promise that resolves means that the move is durable, except for logs, progress and heartbeats, which may be lost with a power cut.
//
// Every move that changes a task also writes its event in the same transaction. A guarded move that finds the task in
// another state, or its run in other hands, changes nothing and answers null: the caller says why.
import type { Classification, JsonObject, JsonValue, Outcome } from '../tasks/outcome.js';
import type { FailureFacts, Verdict } from '../tasks/retry.js';
import type { MoveName, TaskStatus } from '../tasks/states.js';
import type { Ack, Assurance, By, Channel, LogLine, Pins, Principal, Task, TaskPolicy } from '../tasks/task.js';

export interface Store {
  readonly tasks: TaskStore;
  readonly logs: LogStore;
  readonly people: PeopleStore;
  readonly ledger: LedgerStore;
  /**
   * Calls back soon after anything was committed that others may want to know: at once for this process's own moves,
   * within 100 ms for another process's. Carries no data: read `ledger.changes`. Returns the way to stop.
   */
  watch(listener: () => void): () => void;
  /**
   * The later of the wall clock and of the newest event's time with what passed since by this process's monotonic clock: what
   * expiry is judged by, so that a clock set back revives nothing, and one that was ahead for a while lets nothing live for ever.
   */
  now(): Promise<number>;
  /**
   * Removes log lines written before `before`, tasks that settled before it with their runs, acks, failures and bundles, and
   * texts that nothing refers to since, a few at a time. Open work and each directive's last success stay, and so does the
   * evidence: events, and the consents that prove what they say of passkeys.
   */
  prune(before: number): Promise<{ tasks: number; logLines: number; texts: number }>;
  /**
   * Writes a whole copy as of one moment to `file`, while others go on writing; on disk when the promise resolves.
   * @throws DispatcherError `file_exists`, `home_not_writable`, `store_unavailable`
   */
  backup(file: string): Promise<void>;
  /** Answers every move that waits, then closes. */
  close(): Promise<void>;
}

// ── tasks ───────────────────────────────────────────────────────────────────

/** What is pinned at creation and at every return to awaiting_ack. */
export interface PinnedWork {
  pins: Pins;
  policy: TaskPolicy;
  payloadJson: string;
  secretPaths: string[];
}

export interface NewTask extends PinnedWork {
  id: string;
  taskType: string;
  projectId: string;
  status: 'awaiting_ack' | 'queued';
  statusReason: string | null;
  priority: number;
  runAfter: number | null;
  traceparent: string | null;
}

export type NewAck = Omit<Ack, 'firstStartedAt' | 'revokedAt' | 'spentAt'>;

export interface Repin {
  taskId: string;
  move: Extract<MoveName, 'pinned_anew' | 'ack_void' | 'anneal_completed' | 'retried'>;
  to: Extract<TaskStatus, 'awaiting_ack' | 'queued'>;
  /** Null keeps the old pins: what is on disk now cannot be pinned (a broken directive, a missing script); `reason` says why. */
  work: PinnedWork | null;
  reason: string | null;
  /** With `ack_void`: the lease that found it out; null where no worker holds the task. */
  runId: string | null;
  /** Kept in the event: a person's note, the bundle that is completed. */
  note?: string;
}

export interface Claim {
  runId: string;
  /** Whose lease it is. */
  processId: string;
  task: Task;
  /** Null for a task that wants no acknowledgement and has not run yet. */
  ack: Ack | null;
}

export interface Worker {
  processId: string;
  /** A lease that shows no heartbeat for so long, by an observer's monotonic clock, is dead. */
  leaseMs: number;
  /** At most so many runs of one project at once, anywhere on the home; 0 or absent = no limit. */
  projectLimit?: number;
}

/** What a started run is known by to those who may have to end it. */
export interface RunRow {
  id: string;
  taskId: string;
  ackId: string | null;
  attempt: number;
  processId: string;
  host: string;
  pid: number | null;
  /** Kernel start time of `pid`, so that a reused pid is not mistaken for it. */
  pidStart: string | null;
  outcome: Outcome | null;
  exitCode: number | null;
  signal: string | null;
  startedAt: number;
  finishedAt: number | null;
  directiveSha256: string;
  scriptSha256: string;
  payloadSha256: string;
}

/** A task in some worker's hands. */
export interface Lease {
  runId: string;
  taskId: string;
  processId: string;
  leaseMs: number;
  /** Grows with each heartbeat. */
  beat: number;
  /** Null while the task is claimed but its run has not begun. */
  run: RunRow | null;
}

export interface Settlement {
  runId: string;
  /** Who settles: the process that begun the run, or that seized it. */
  processId: string;
  verdict: Verdict;
  outcome: Outcome;
  exitCode: number | null;
  signal: string | null;
  result: JsonValue | undefined;
  /** Null after a success or a cancel. */
  failure: FailureFacts | null;
  /** The bundle that `anneal_opened` opens. */
  aid: string | null;
  fixUsed: boolean;
  /** Set where the script's files changed while it ran. */
  scriptChangedTo: string | null;
}

export interface TaskFilter {
  status?: TaskStatus | undefined;
  projectId?: string | undefined;
  taskType?: string | undefined;
  /** 1 to 200. */
  limit: number;
  cursor?: string | undefined;
  /** Default: newest first. A cursor belongs to the order that it was made in. */
  oldestFirst?: boolean | undefined;
}

export interface TaskStore {
  /** Inserts the task, or answers the one that already has this id with `created: false`; the caller compares. */
  create(task: NewTask, by: By): Promise<{ task: Task; created: boolean }>;
  get(taskId: string): Promise<Task | null>;
  /** Newest first unless asked otherwise. Throws `invalid_input` for a cursor that this store did not make. */
  list(filter: TaskFilter): Promise<{ tasks: Task[]; nextCursor: string | null }>;
  counts(): Promise<Record<TaskStatus, number>>;
  /** How many tasks await their acknowledgement; what it costs does not grow with the others. */
  waiting(): Promise<number>;

  /** `awaiting_ack → queued`, guarded by the binding in `ack.pins`; the ack is written with it. */
  acknowledge(ack: NewAck, by: By): Promise<Task | null>;
  /** `awaiting_ack → cancelled` by somebody's refusal. */
  reject(taskId: string, by: By, reason: string): Promise<Task | null>;
  /** Pins the task anew, revokes its acks and, for `anneal_completed` and `retried`, begins its attempts anew. */
  repin(repin: Repin, by: By): Promise<Task | null>;
  /** `awaiting_ack | queued → cancelled` at once; on a running task asks its worker and answers it still running. */
  cancel(taskId: string, by: By, reason: string): Promise<Task | null>;
  /** A failure seen outside a run: `awaiting_ack | queued | failed | succeeded → needs_anneal`, acks revoked. */
  recordFailure(taskId: string, aid: string, failure: OutsideFailure, by: By): Promise<Task | null>;
  /** `needs_anneal → failed`, closing the bundle. */
  dismissAnneal(taskId: string, by: By): Promise<Task | null>;
  /** `awaiting_ack → cancelled` for every task that has waited since before `before`; answers their ids. */
  cancelStale(before: number): Promise<string[]>;

  /** Leases the most urgent due task, if any may run now: not paused, its type below its limit. It stays `queued` until `begin`. */
  claim(worker: Worker): Promise<Claim | null>;
  /** Gives a claimed task back as it was. */
  release(runId: string): Promise<void>;
  /**
   * `queued → running`: writes the run, counts the attempt, marks the ack's first start. In the same transaction the ack is
   * checked once more (there, not revoked, not spent, in time); null where it no longer holds or the lease is lost.
   * Null as well while the home is paused: the claim is given back with it, nothing is counted, and the task stays queued.
   * `ack` is given for a task that wants none and has none yet: its row is written here.
   */
  begin(
    runId: string,
    run: { processId: string; host: string; ack: NewAck | null },
  ): Promise<{ task: Task; ack: Ack; run: RunRow } | null>;
  /** Notes the process that a run became; false where the lease is lost. */
  spawned(runId: string, pid: number, pidStart: string | null): Promise<boolean>;
  /** Keeps leases alive. Answers those that are no longer this process's own, and those whose task is asked to stop. */
  heartbeat(processId: string, runIds: string[]): Promise<{ lost: string[]; cancelled: string[] }>;
  /**
   * Ends a run, once: only the process that holds its lease. A retry of a task that is asked to stop becomes its cancel. Opens failure and bundle rows, spends the ack when the task
   * settles.
   */
  settle(settlement: Settlement): Promise<Task | null>;
  leases(): Promise<Lease[]>;
  /** Takes over a lease whose heartbeat counter still stands at `beat`; false where it moved. */
  seize(runId: string, beat: number, by: Worker): Promise<boolean>;
  run(runId: string): Promise<RunRow | null>;
  /** Oldest first. */
  runs(taskId: string): Promise<RunRow[]>;
  /** How many runs ended since `since`, by outcome and by stretches of `stretchMs` that begin there; `at` is where one begins. */
  endedRuns(since: number, stretchMs: number): Promise<{ at: number; outcome: Outcome; count: number }[]>;
  /** By how much the number of queued tasks changed since `since`, by the same stretches. */
  queueChanges(since: number, stretchMs: number): Promise<{ at: number; change: number }[]>;
  /** The newest succeeded run of the directive `directiveId`, with the payload that it had, its secret values masked. */
  lastSuccess(directiveId: string): Promise<{ run: RunRow; payload: JsonObject } | null>;
  /** When the next queued task becomes due; null where none waits for a time. */
  nextDueAt(): Promise<number | null>;
  paused(): Promise<boolean>;
  setPaused(paused: boolean, by: By): Promise<void>;
}

// ── logs ────────────────────────────────────────────────────────────────────

export interface NewLogLine {
  taskId: string;
  runId: string | null;
  stream: LogLine['stream'];
  text: string;
  at: number;
}

export interface LogStore {
  append(lines: NewLogLine[]): Promise<void>;
  /** Lines after the log id `after`, oldest first. */
  read(
    taskId: string,
    range: { after?: number | undefined; limit: number; runId?: string | undefined },
  ): Promise<LogLine[]>;
  /** The last `count` lines, oldest first. */
  tail(taskId: string, count: number): Promise<LogLine[]>;
  /** Sets a task's progress; a hint, dropped silently when the run is not the task's any more. */
  progress(runId: string, percent: number, text: string | null): Promise<void>;
}

// ── people: acks, trust, one-use nonces ─────────────────────────────────────

export type TrustKind = 'directive' | 'automation';

/** One exact content that an operator said yes to. */
export interface TrustItem {
  kind: TrustKind;
  id: string;
  sha256: string;
  /** For a directive with a script; null otherwise. */
  scriptSha256: string | null;
}

/** A server-made, one-use permission, such as a form that was shown to a person. `data` is what it is bound to. */
export interface Nonce {
  id: string;
  purpose: string;
  data: JsonObject;
  expiresAt: number;
}

/** A person's passkey: the public half, and whose it is. */
export interface Credential {
  id: string;
  owner: string;
  /** The page's name that it belongs to. */
  rpId: string;
  /** COSE key, base64url. */
  publicKey: string;
  counter: number;
  transports: string[];
  /** The credential whose touch let this one in; null for the home's first. */
  vouchedBy: string | null;
  createdAt: number;
  usedAt: number | null;
}

/** One owner's touch for one binding of a task: what it covered and the assertion, so that it can be checked again. */
export interface Consent {
  taskId: string;
  binding: string;
  credentialId: string;
  owner: string;
  covered: JsonObject;
  assertion: JsonObject;
  origin: string;
  at: number;
}

export interface PeopleStore {
  ack(ackId: string): Promise<Ack | null>;
  /** Oldest first. */
  acks(taskId: string): Promise<Ack[]>;
  /**
   * What the key `keyId` last agreed to of the directive, by an ack or as one of several consents; for diffs, and only as far
   * as its task is still there.
   */
  lastApprovalBy(keyId: string, directiveId: string): Promise<{ directiveSha256: string; at: number } | null>;
  isTrusted(item: TrustItem): Promise<boolean>;
  /** The newest content of this name that was trusted; for diffs. */
  lastTrusted(kind: TrustKind, id: string): Promise<TrustItem | null>;
  /** Remembers the yes; each writes an event. */
  trust(items: TrustItem[], by: By): Promise<void>;
  mintNonce(nonce: Nonce): Promise<void>;
  /** Reads a nonce and leaves it there, such as a session; null where it is unknown or past its time. */
  nonce(id: string, purpose: string): Promise<Nonce | null>;
  /** Takes the nonce out of the store; null where it is unknown, used or past its time. Nobody gets the same one twice. */
  consumeNonce(id: string, purpose: string): Promise<Nonce | null>;
  /** Oldest first. */
  credentials(): Promise<Credential[]>;
  /** Enrols a passkey and writes its event; false where it is known, or where nobody vouches for it and it is not the first. */
  addCredential(credential: Omit<Credential, 'createdAt' | 'usedAt'>, by: By): Promise<boolean>;
  /** Moves a credential's counter on; false where it does not go up, as with a replayed or cloned one. */
  useCredential(id: string, counter: number): Promise<boolean>;
  /** Keeps a consent, with its event (which has the answers to the directive's questions), and answers all of the task. */
  consent(consent: Omit<Consent, 'at'> & { answers: JsonValue[] }, by: By): Promise<Consent[]>;
  /** Of one task, or of all, those that are removed by now included; oldest first. */
  consents(taskId?: string): Promise<Consent[]>;
}

// ── ledger: events, processes, contents, the home's own facts ───────────────

export interface Event {
  /** Commit order over the whole store. */
  seq: number;
  /** Null for what belongs to no task, such as trust. */
  taskId: string | null;
  /** A move's name, or one of `created`, `trusted`, `refused`, `paused`, `resumed`, … */
  type: string;
  from: TaskStatus | null;
  to: TaskStatus | null;
  actorId: string;
  principal: Principal;
  channel: Channel;
  keyId: string | null;
  assurance: Assurance | null;
  data: JsonObject;
  at: number;
  /** sha256 over the previous event of the same task (or of the home), this one's content and its place. */
  hash: string;
}

export type NewEvent = Pick<Event, 'taskId' | 'type' | 'assurance' | 'data'>;

/** The newest event of one chain, as a seal keeps it. */
export interface ChainHead {
  taskId: string | null;
  seq: number;
  hash: string;
}

/** The heads of every chain that grew since the seal before, under one hash with that seal's. */
export interface Seal {
  seq: number;
  /** The newest event that it covers. */
  upTo: number;
  heads: ChainHead[];
  at: number;
  hash: string;
}

/** One row of the audit trail that is not as it was written. */
export interface AuditFault {
  kind: 'event_missing' | 'event_changed' | 'event_unproven' | 'seal_missing' | 'seal_changed' | 'state_unproven';
  /** Of the event; of the seal for the faults of seals; of the newest event where a task is not where it says. */
  seq: number;
  taskId: string | null;
  /** One sentence for a person. */
  message: string;
}

export interface AuditReport {
  /** How many of each were looked at. */
  events: number;
  seals: number;
  /** Events up to this one are covered by a seal; 0 for none. */
  sealedUpTo: number;
  /** The newest seal's hash: kept elsewhere, it shows later that nothing before it was rewritten. */
  sealHash: string | null;
  /** The first hundred, by place. */
  faults: AuditFault[];
}

export type ProcessKind = 'serve' | 'worker' | 'mcp';

export interface ProcessRow {
  id: string;
  kind: ProcessKind;
  host: string;
  pid: number;
  pidStart: string | null;
  /** Where its bridge answers, such as `http://127.0.0.1:3001`; null for none. */
  address: string | null;
  /** Whether its worker takes tasks now. */
  worker: 'on' | 'standby' | 'off';
  version: string;
  startedAt: number;
  beat: number;
  beatAt: number;
}

/** A failure seen outside a run. */
export interface OutsideFailure extends FailureFacts {
  /** How often it was tried there; without it the task's own attempts stand. */
  attempts?: number | undefined;
}

export interface FailureRow extends FailureFacts {
  id: number;
  taskId: string;
  runId: string | null;
  aid: string | null;
  outcome: Outcome | null;
  exitCode: number | null;
  attempts: number;
  pins: Pick<Pins, 'directiveSha256' | 'scriptSha256' | 'payloadSha256' | 'filesSha256'>;
  classification: Classification;
  at: number;
}

export type AnnealStatus = 'open' | 'completed' | 'dismissed';

export interface AnnealRow {
  aid: string;
  taskId: string;
  status: AnnealStatus;
  failure: FailureRow;
  openedAt: number;
  closedAt: number | null;
}

/** Sums over all runs that are kept, and over the whole trail. */
export interface Figures {
  /** Since when the longest waiting task that could run now is queued; null where none waits. */
  oldestQueuedAt: number | null;
  /** `within[i]` counts the runs that took at most `boundsMs[i]`. */
  runs: { outcome: Outcome; count: number; totalMs: number; within: number[] }[];
  /** Those that held under `ok` (of each run the first), the others by their code. */
  validations: Record<string, number>;
}

export type ContentKind = 'directive' | 'script';

export interface LedgerStore {
  /** For what is not a task's move; a task's moves write their own. */
  record(event: NewEvent, by: By): Promise<void>;
  /** Events of one task, or of the home (`null`), or of all (undefined), oldest first; with `newest` the last so many. */
  events(filter: {
    taskId?: string | null | undefined;
    after?: number | undefined;
    limit: number;
    newest?: boolean | undefined;
  }): Promise<Event[]>;
  /** Events after `seq` in commit order: the only source of waits, live pages, notifications and wake-ups. */
  changes(afterSeq: number, limit: number): Promise<Event[]>;
  newestSeq(): Promise<number>;
  /** Seals what is not sealed yet; null where nothing is. */
  seal(): Promise<Seal | null>;
  /** The seal with this hash; null where there is none, so that what it covered was rewritten if there ever was one. */
  sealed(hash: string): Promise<Seal | null>;
  /** Recomputes every chain and every seal, and names each row that was edited, removed or moved. */
  verify(): Promise<AuditReport>;

  join(process: Omit<ProcessRow, 'beat' | 'beatAt' | 'startedAt'>): Promise<void>;
  /** Says that this process lives, and what its worker does; false where it is not on the list: it left, or others took it for dead. */
  beat(processId: string, worker: ProcessRow['worker']): Promise<boolean>;
  leave(processId: string): Promise<void>;
  /** All that have joined and not left, by `startedAt` and then by id. Whether one still lives is the observer's judgement: its beat must move. */
  processes(): Promise<ProcessRow[]>;

  anneals(filter: {
    status?: AnnealStatus | undefined;
    taskId?: string | undefined;
    limit: number;
    cursor?: string | undefined;
  }): Promise<{ anneals: AnnealRow[]; nextCursor: string | null }>;
  anneal(aid: string): Promise<AnnealRow | null>;
  /** Failures with this fingerprint, newest first. */
  failuresLike(fingerprint: string, limit: number): Promise<FailureRow[]>;
  /** How often this fingerprint was seen, and of how many tasks. */
  countLike(fingerprint: string): Promise<{ failures: number; tasks: number }>;
  /** The failure that the task's newest run (or record_failure) left; null where it never failed. */
  lastFailure(taskId: string): Promise<FailureRow | null>;
  /** The payload that failed, its secret values masked; null where it is not known. */
  failedPayload(failureId: number): Promise<JsonObject | null>;

  /**
   * Keeps a text by its sha256, so that diffs and bundles can show what ran. Keeping it twice is once, and says that it is
   * still in use. Answers the hashes that were not there before.
   */
  keep(contents: { sha256: string; kind: ContentKind; text: string }[]): Promise<string[]>;
  content(sha256: string): Promise<string | null>;
  /** Notes that this revision of a directive was seen; the first time counts. */
  noteDirective(revision: {
    sha256: string;
    id: string;
    version: number;
    title: string;
    taskType: string | null;
  }): Promise<void>;
  /** The revisions of a directive that were seen, newest first. */
  revisions(directiveId: string): Promise<{ sha256: string; version: number; firstSeenAt: number }[]>;

  /** What a monitor asks for; whole milliseconds as bounds. */
  figures(boundsMs: readonly number[]): Promise<Figures>;

  /** Random, made once for a store: tells two homes apart without naming a path. */
  homeId(): Promise<string>;
  /** A fact about the home, such as the fingerprint of its secret. */
  fact(name: string): Promise<string | null>;
  /** Sets it where it is unset, or with `expected` replaces exactly that; answers what stands there now, '' for nothing. */
  setFact(name: string, value: string, expected?: string): Promise<string>;
}
