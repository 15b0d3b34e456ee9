// `doe tasks`: the newest tasks, a line each.
import type { listTasks } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { type CommonOptions, settingsOf } from './home.js';
import { note, say, sayJson } from './output.js';
import { statusText, table, visibleLine } from './text.js';

export interface TasksOptions extends CommonOptions {
  status?: string;
  project?: string;
  type?: string;
  limit?: number;
  cursor?: string;
}

export async function run({ status, project, type, limit, cursor, ...options }: TasksOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const query = { status, project_id: project, task_type: type, limit, cursor };
  const { tasks, next_cursor } = await bridge.get<typeof listTasks>('/tasks', query);
  if (options.json === true) return sayJson({ tasks, next_cursor });
  const rows = tasks.map((task) => [
    task.task_id,
    statusText(task.status),
    visibleLine(task.task_type),
    visibleLine(task.project_id),
    visibleLine(task.actor_id),
    task.updated_at.slice(0, 19).replace('T', ' '),
  ]);
  say(rows.length === 0 ? 'No tasks.' : table(['TASK', 'STATUS', 'TYPE', 'PROJECT', 'BY', 'UPDATED (UTC)'], rows));
  if (next_cursor !== null) note(`There are more: add --cursor ${next_cursor}`);
}
