// What to type next, by where a task stands.
import type { TaskStatus } from '../tasks/states.js';

export interface Standing {
  task_id: string;
  status: TaskStatus;
  aid?: string | null;
}

/** An exact command with why; empty where nothing is left to do. */
export function nextStep({ task_id, status, aid }: Standing): string {
  switch (status) {
    case 'awaiting_ack':
      return `It awaits its acknowledgement: \`doe ack ${task_id}\``;
    case 'queued':
    case 'running':
      return `Follow it: \`doe logs ${task_id} -f\``;
    case 'needs_anneal':
      return `It needs repair: \`doe anneal ${aid == null ? 'list' : `show ${aid}`}\``;
    case 'failed':
    case 'cancelled':
      return `Once more: \`doe retry ${task_id}\``;
    case 'succeeded':
      return '';
  }
}
