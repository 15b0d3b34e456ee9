// What a model is told to call next, by where a task stands.
import type { Task } from '../tasks/task.js';

/** One sentence or two; where the next move is a person's, what to say. */
export function nextCall({ id, status }: Pick<Task, 'id' | 'status'>): string {
  switch (status) {
    case 'awaiting_ack':
      return `Read the directive, then call acknowledge with task_id ${id}.`;
    case 'queued':
    case 'running':
      return `Call task_status with task_id ${id} and wait_seconds 30 to follow it.`;
    case 'needs_anneal':
      return `Read the bundle, mend what failed, then call anneal_complete with task_id ${id}.`;
    case 'succeeded':
      return 'It is done. Tell its result.';
    case 'failed':
    case 'cancelled':
      return `It has ended, ${status}. A person can send it round again with \`doe retry ${id}\`.`;
  }
}
