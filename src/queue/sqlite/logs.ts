// Log lines and progress: hints that may be lost with a power cut.
import type { LogStore } from '../store.js';
import type { Context } from './context.js';
import { type LogRow, toLogLine } from './rows.js';

export function createLogStore({ db, write }: Pick<Context, 'db' | 'write'>): LogStore {
  const insert = db.prepare(
    'INSERT INTO task_logs (task_id, run_id, stream, text, at) VALUES (@taskId, @runId, @stream, @text, @at)',
  );
  const read = db.prepare<[string, number, number], LogRow>(
    'SELECT * FROM task_logs WHERE task_id = ? AND id > ? ORDER BY id LIMIT ?',
  );
  const readRun = db.prepare<[string, number, string, number], LogRow>(
    'SELECT * FROM task_logs WHERE task_id = ? AND id > ? AND run_id = ? ORDER BY id LIMIT ?',
  );
  const tail = db.prepare<[string, number], LogRow>(
    'SELECT * FROM task_logs WHERE task_id = ? ORDER BY id DESC LIMIT ?',
  );
  const progress = db.prepare(
    "UPDATE tasks SET progress = ?, progress_text = ? WHERE run_id = ? AND status = 'running'",
  );
  return {
    append: (lines) =>
      write(false, () => {
        for (const line of lines) insert.run(line);
      }),
    read: async (taskId, { after = 0, limit, runId }) =>
      (runId === undefined ? read.all(taskId, after, limit) : readRun.all(taskId, after, runId, limit)).map(toLogLine),
    tail: async (taskId, count) => tail.all(taskId, count).reverse().map(toLogLine),
    progress: (runId, percent, text) => write(false, () => void progress.run(percent, text, runId)),
  };
}
