// The schema, as numbered migrations that are never edited once released. Times are epoch milliseconds, hashes lower-case hex.

export interface Migration {
  version: number;
  sql: string;
}

export const migrations: readonly Migration[] = [
  {
    version: 1,
    sql: `
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  task_type TEXT NOT NULL,
  project_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('awaiting_ack', 'queued', 'running', 'succeeded', 'failed', 'needs_anneal', 'cancelled')),
  status_reason TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  actor_id TEXT NOT NULL,
  principal TEXT NOT NULL,
  channel TEXT NOT NULL,
  directive_id TEXT NOT NULL,
  directive_version INTEGER NOT NULL,
  directive_sha256 TEXT NOT NULL,
  payload_sha256 TEXT NOT NULL,
  files_sha256 TEXT,
  script_sha256 TEXT NOT NULL,
  binding TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  secret_paths TEXT NOT NULL,
  policy TEXT NOT NULL,
  require_ack INTEGER NOT NULL,
  concurrency INTEGER NOT NULL,
  priority INTEGER NOT NULL,
  run_after INTEGER,
  due INTEGER NOT NULL,
  requested_run_after INTEGER,
  awaiting_since INTEGER,
  fix_used INTEGER NOT NULL DEFAULT 0,
  ack_id TEXT,
  assurance TEXT,
  run_id TEXT,
  lease_process TEXT,
  lease_ms INTEGER,
  lease_beat INTEGER NOT NULL DEFAULT 0,
  cancel_requested_at INTEGER,
  progress REAL,
  progress_text TEXT,
  outcome TEXT,
  result TEXT,
  aid TEXT,
  traceparent TEXT,
  started_at INTEGER,
  finished_at INTEGER
) STRICT;
CREATE INDEX tasks_to_claim ON tasks (priority DESC, seq) WHERE status = 'queued' AND run_id IS NULL AND due = 1 AND concurrency = 0;
CREATE INDEX tasks_limited ON tasks (task_type, priority DESC, seq) WHERE status = 'queued' AND run_id IS NULL AND due = 1 AND concurrency > 0;
CREATE INDEX tasks_ready ON tasks (updated_at) WHERE status = 'queued' AND run_id IS NULL AND due = 1;
CREATE INDEX tasks_waiting ON tasks (run_after) WHERE status = 'queued' AND run_id IS NULL AND due = 0;
CREATE INDEX tasks_leased ON tasks (task_type) WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX tasks_by_run ON tasks (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX tasks_awaiting ON tasks (awaiting_since) WHERE status = 'awaiting_ack';
CREATE INDEX tasks_by_status ON tasks (status, seq);
CREATE INDEX tasks_by_project ON tasks (project_id, seq);
CREATE INDEX tasks_by_type ON tasks (task_type, seq);

CREATE TABLE acks (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL,
  actor_id TEXT NOT NULL,
  assurance TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  principal TEXT NOT NULL,
  channel TEXT NOT NULL,
  key_id TEXT,
  directive_id TEXT NOT NULL,
  directive_version INTEGER NOT NULL,
  directive_sha256 TEXT NOT NULL,
  payload_sha256 TEXT NOT NULL,
  files_sha256 TEXT,
  script_sha256 TEXT NOT NULL,
  binding TEXT NOT NULL,
  answers TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_before INTEGER NOT NULL,
  first_started_at INTEGER,
  revoked_at INTEGER,
  spent_at INTEGER
) STRICT;
CREATE INDEX acks_by_task ON acks (task_id, issued_at);
CREATE INDEX acks_by_person ON acks (key_id, directive_id, issued_at) WHERE key_id IS NOT NULL;

CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL,
  outcome TEXT,
  started_at INTEGER NOT NULL,
  finished_at INTEGER,
  ack_id TEXT,
  attempt INTEGER NOT NULL,
  process_id TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER,
  pid_start TEXT,
  exit_code INTEGER,
  signal TEXT,
  directive_id TEXT NOT NULL,
  directive_sha256 TEXT NOT NULL,
  script_sha256 TEXT NOT NULL,
  payload_sha256 TEXT NOT NULL,
  payload_json TEXT NOT NULL,
  secret_paths TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_task ON runs (task_id, started_at);
CREATE INDEX runs_ended ON runs (finished_at, outcome) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_succeeded ON runs (directive_id, finished_at) WHERE outcome = 'succeeded';

CREATE TABLE task_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT NOT NULL,
  run_id TEXT,
  stream TEXT NOT NULL,
  text TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX task_logs_by_task ON task_logs (task_id, id);

CREATE TABLE failures (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT NOT NULL,
  run_id TEXT,
  aid TEXT,
  outcome TEXT,
  exit_code INTEGER,
  attempts INTEGER NOT NULL,
  error_type TEXT NOT NULL,
  classification TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  message TEXT NOT NULL,
  error_tail TEXT NOT NULL,
  directive_sha256 TEXT NOT NULL,
  script_sha256 TEXT NOT NULL,
  payload_sha256 TEXT NOT NULL,
  files_sha256 TEXT,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX failures_by_task ON failures (task_id, id);
CREATE INDEX failures_alike ON failures (fingerprint, id);

CREATE TABLE anneal_tasks (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  aid TEXT NOT NULL UNIQUE,
  task_id TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'completed', 'dismissed')),
  failure_id INTEGER NOT NULL REFERENCES failures (id),
  opened_at INTEGER NOT NULL,
  closed_at INTEGER
) STRICT;
CREATE INDEX anneal_tasks_by_task ON anneal_tasks (task_id);

CREATE TABLE events (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT,
  type TEXT NOT NULL,
  from_status TEXT,
  to_status TEXT,
  actor_id TEXT NOT NULL,
  principal TEXT NOT NULL,
  channel TEXT NOT NULL,
  key_id TEXT,
  assurance TEXT,
  data TEXT NOT NULL,
  at INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_task ON events (task_id, seq);
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never removed'); END;

CREATE TABLE seals (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  up_to INTEGER NOT NULL,
  heads TEXT NOT NULL,
  at INTEGER NOT NULL,
  hash TEXT NOT NULL
) STRICT;

CREATE TABLE trust (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  sha256 TEXT NOT NULL,
  script_sha256 TEXT,
  actor_id TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX trust_by_name ON trust (kind, name, sha256);

CREATE TABLE processes (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  pid_start TEXT,
  address TEXT,
  worker TEXT NOT NULL,
  version TEXT NOT NULL,
  started_at INTEGER NOT NULL,
  beat INTEGER NOT NULL DEFAULT 0,
  beat_at INTEGER NOT NULL
) STRICT;

CREATE TABLE contents (sha256 TEXT PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, kept_at INTEGER NOT NULL) STRICT;

CREATE TABLE directives (
  sha256 TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  title TEXT NOT NULL,
  task_type TEXT,
  first_seen_at INTEGER NOT NULL,
  PRIMARY KEY (id, sha256)
) STRICT;

CREATE TABLE passkeys (
  id TEXT PRIMARY KEY,
  owner TEXT NOT NULL,
  rp_id TEXT NOT NULL,
  public_key TEXT NOT NULL,
  counter INTEGER NOT NULL,
  transports TEXT NOT NULL,
  vouched_by TEXT,
  created_at INTEGER NOT NULL,
  used_at INTEGER
) STRICT;

CREATE TABLE consents (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id TEXT NOT NULL,
  binding TEXT NOT NULL,
  credential_id TEXT NOT NULL REFERENCES passkeys (id),
  owner TEXT NOT NULL,
  covered TEXT NOT NULL,
  assertion TEXT NOT NULL,
  origin TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX consents_by_task ON consents (task_id, id);

CREATE TABLE nonces (id TEXT PRIMARY KEY, purpose TEXT NOT NULL, data TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT;
`,
  },
  {
    // A claim that passes over full projects goes from project to project, not from task to task.
    version: 2,
    sql: `
CREATE INDEX tasks_to_claim_of_project ON tasks (project_id, priority DESC, seq) WHERE status = 'queued' AND run_id IS NULL AND due = 1 AND concurrency = 0;
CREATE INDEX tasks_limited_of_project ON tasks (task_type, project_id, priority DESC, seq) WHERE status = 'queued' AND run_id IS NULL AND due = 1 AND concurrency > 0;
`,
  },
  {
    // A failure that was recorded from outside has no run that keeps its payload.
    version: 3,
    sql: `
ALTER TABLE failures ADD COLUMN payload_json TEXT;
ALTER TABLE failures ADD COLUMN secret_paths TEXT;
`,
  },
];
