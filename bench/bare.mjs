// The bare limit: the same rows, the same durability, by better-sqlite3 and prepared statements alone, written by hand on
// the store's own schema. No guards beyond the statements, no mapping, no promises.
import { createHash } from 'node:crypto';
import Sqlite from 'better-sqlite3';

export function openBare(file) {
  const db = new Sqlite(file);
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  const run = (sql) => {
    const statement = db.prepare(sql);
    return (...values) => statement.run(...values);
  };
  const get = (sql) => {
    const statement = db.prepare(sql);
    return (...values) => statement.get(...values);
  };

  const lastEvent = get('SELECT at FROM events ORDER BY seq DESC LIMIT 1');
  const lastPlace = get("SELECT seq FROM sqlite_sequence WHERE name = 'events'");
  const previous = get('SELECT hash FROM events WHERE task_id IS ? ORDER BY seq DESC LIMIT 1');
  const insertEvent = run(
    `INSERT INTO events (seq, task_id, type, from_status, to_status, actor_id, principal, channel, key_id, assurance, data, at, hash)
     VALUES (?, ?, ?, ?, ?, 'bench', 'operator', 'terminal', NULL, ?, ?, ?, ?)`,
  );
  const event = (taskId, type, from, to, assurance, data) => {
    const at = Math.max(Date.now(), lastEvent()?.at ?? 0);
    const seq = (lastPlace()?.seq ?? 0) + 1;
    const text = JSON.stringify(data);
    const before = previous(taskId)?.hash ?? '';
    const content = JSON.stringify([
      seq,
      taskId,
      type,
      from,
      to,
      'bench',
      'operator',
      'terminal',
      null,
      assurance,
      text,
      at,
      before,
    ]);
    insertEvent(seq, taskId, type, from, to, assurance, text, at, createHash('sha256').update(content).digest('hex'));
    return at;
  };

  const byId = get('SELECT * FROM tasks WHERE id = ?');
  const byRun = get('SELECT * FROM tasks WHERE run_id = ?');
  const insertTask = run(
    `INSERT INTO tasks (id, task_type, project_id, status, created_at, updated_at, actor_id, principal, channel, directive_id,
       directive_version, directive_sha256, payload_sha256, files_sha256, script_sha256, binding, payload_json, secret_paths, policy,
       require_ack, concurrency, priority, run_after, due, requested_run_after, awaiting_since)
     VALUES (@id, 'bench', 'bench', 'awaiting_ack', @at, @at, 'bench', 'operator', 'terminal', 'bench', 1, @hash, @hash, NULL, @hash,
       @hash, @payload, '[]', @policy, 1, 0, 0, NULL, 1, NULL, @at)`,
  );
  const insertAck = run(
    `INSERT INTO acks (id, task_id, actor_id, assurance, expires_at, principal, channel, directive_id, directive_version,
       directive_sha256, payload_sha256, script_sha256, binding, answers, issued_at, not_before)
     VALUES (@id, @task, 'bench', 'operator', @expires, 'operator', 'terminal', 'bench', 1, @hash, @hash, @hash, @hash, '[]', @at, @at)`,
  );
  const queue = get(
    `UPDATE tasks SET status = 'queued', updated_at = ?, ack_id = ?, assurance = 'operator', awaiting_since = NULL, due = 1
     WHERE seq = ? RETURNING *`,
  );
  const next = get(
    `SELECT seq FROM tasks INDEXED BY tasks_to_claim WHERE status = 'queued' AND run_id IS NULL AND due = 1 AND concurrency = 0
     ORDER BY priority DESC, seq LIMIT 1`,
  );
  const take = get(
    `UPDATE tasks SET run_id = ?, lease_process = 'proc_bench', lease_ms = 30000, lease_beat = lease_beat + 1 WHERE seq = ? RETURNING *`,
  );
  const ackById = get('SELECT * FROM acks WHERE id = ?');
  const start = get(
    `UPDATE tasks SET status = 'running', updated_at = @at, attempts = attempts + 1, started_at = @at, status_reason = NULL, outcome = NULL,
       result = NULL, progress = NULL, progress_text = NULL WHERE seq = @seq RETURNING *`,
  );
  const firstStart = run('UPDATE acks SET first_started_at = ? WHERE id = ? AND first_started_at IS NULL');
  const insertRun = run(
    `INSERT INTO runs (id, task_id, started_at, ack_id, attempt, process_id, host, directive_id, directive_sha256, script_sha256,
       payload_sha256, payload_json, secret_paths)
     VALUES (@id, @task, @at, @ack, 1, 'proc_bench', 'here', 'bench', @hash, @hash, @hash, @payload, '[]')`,
  );
  const runById = get('SELECT * FROM runs WHERE id = ?');
  const finish = get(
    `UPDATE tasks SET status = 'succeeded', updated_at = @at, run_id = NULL, lease_process = NULL, lease_ms = NULL, outcome = 'succeeded',
       result = @result, finished_at = @at WHERE seq = @seq RETURNING *`,
  );
  const finishRun = run("UPDATE runs SET outcome = 'succeeded', finished_at = ?, exit_code = 0 WHERE id = ?");
  const spend = run('UPDATE acks SET spent_at = ? WHERE id = ? AND spent_at IS NULL');

  const hash = 'a'.repeat(64);
  const policy = JSON.stringify({
    requireAck: true,
    maxAttempts: 3,
    backoffMs: 1000,
    timeoutMs: 60_000,
    concurrency: 0,
  });
  const payload = '{"name":"bench"}';
  const begin = db.prepare('BEGIN IMMEDIATE');
  const commit = db.prepare('COMMIT');
  const transaction = (work) => (value) => {
    begin.run();
    const answer = work(value);
    commit.run();
    return answer;
  };

  const moves = {
    create: transaction((id) => {
      byId(id);
      const at = event(id, 'created', null, 'awaiting_ack', null, {
        binding: hash,
        task_type: 'bench',
        project_id: 'bench',
      });
      insertTask({ id, at, hash, policy, payload });
      return byId(id);
    }),
    acknowledge: transaction((id) => {
      const row = byId(id);
      const ack = `ack_${id}`;
      const at = event(id, 'acknowledged', 'awaiting_ack', 'queued', 'operator', {
        ack_id: ack,
        binding: hash,
        answers: [],
      });
      insertAck({ id: ack, task: id, at, expires: at + 900_000, hash });
      return queue(at, ack, row.seq);
    }),
    claim: transaction(() => {
      const row = take(`run_${Math.random()}`, next().seq);
      ackById(row.ack_id);
      return row;
    }),
    begin: transaction((runId) => {
      const row = byRun(runId);
      ackById(row.ack_id);
      const at = event(row.id, 'started', 'queued', 'running', 'operator', {
        run_id: runId,
        attempt: 1,
        ack_id: row.ack_id,
      });
      start({ at, seq: row.seq });
      firstStart(at, row.ack_id);
      insertRun({ id: runId, task: row.id, at, ack: row.ack_id, hash, payload });
      ackById(row.ack_id);
      runById(runId);
    }),
    settle: transaction((runId) => {
      const row = byRun(runId);
      const at = event(row.id, 'succeeded', 'running', 'succeeded', null, {
        run_id: runId,
        outcome: 'succeeded',
        exit_code: 0,
      });
      finish({ at, result: '{"ok":true}', seq: row.seq });
      finishRun(at, runId);
      spend(at, row.ack_id);
    }),
  };

  return {
    /** One task from nothing to succeeded. The claim is told to nobody before the begin, and need not be on disk. */
    one(id) {
      moves.create(id);
      moves.acknowledge(id);
      db.pragma('synchronous = NORMAL');
      const { run_id: runId } = moves.claim();
      db.pragma('synchronous = FULL');
      moves.begin(runId);
      moves.settle(runId);
    },
    close: () => db.close(),
  };
}
