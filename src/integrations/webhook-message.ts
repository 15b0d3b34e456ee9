// What a webhook message says, and its signature (Standard Webhooks 1.0.0). It tells; it approves nothing.
import { createHmac } from 'node:crypto';
import { isoTime } from '../clock.js';
import type { Event } from '../queue/store.js';
import type { TaskStatus } from '../tasks/states.js';
import type { Task } from '../tasks/task.js';

const told = ['awaiting_ack', 'succeeded', 'failed', 'needs_anneal', 'cancelled'] as const satisfies TaskStatus[];
export type Told = (typeof told)[number];

/** The state that an event brought its task to, where somebody waits to hear of it. */
export const toldState = ({ taskId, from, to }: Event): Told | null =>
  taskId !== null && to !== null && to !== from && (told as readonly string[]).includes(to) ? (to as Told) : null;

const sentences: Record<Told, (task: Task) => string> = {
  awaiting_ack: ({ id, pins }) => `Task ${id} (${pins.directiveId}) awaits an acknowledgement.`,
  succeeded: ({ id, pins }) => `Task ${id} (${pins.directiveId}) succeeded.`,
  failed: ({ id, pins }) => `Task ${id} (${pins.directiveId}) failed.`,
  needs_anneal: ({ id, pins }) => `Task ${id} (${pins.directiveId}) failed and needs repair.`,
  cancelled: ({ id, pins }) => `Task ${id} (${pins.directiveId}) was cancelled.`,
};

/** The body of a message. The payload and the result stay at home: a chat channel is no place for them. */
export function messageBody(event: Event, state: Told, task: Task, approveUrl: string): string {
  const text = `${sentences[state](task)} ${approveUrl}`;
  return JSON.stringify({
    type: `task.${state}`,
    timestamp: isoTime(event.at),
    text,
    data: {
      task_id: task.id,
      task_type: task.taskType,
      project_id: task.projectId,
      actor_id: task.actorId,
      status: state,
      directive: { id: task.pins.directiveId, version: task.pins.directiveVersion },
      aid: state === 'needs_anneal' ? task.aid : null,
      approve_url: approveUrl,
    },
  });
}

/** The key that a secret stands for: what follows `whsec_` in base64, else the text itself. */
const keyOf = (secret: string): Buffer =>
  secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret, 'utf8');

/** The headers of one sending. The id is the message's own over all its tries; the time is this try's. */
export function signedHeaders(id: string, body: string, secret: string, epochMs: number): Record<string, string> {
  const timestamp = String(Math.floor(epochMs / 1000));
  const signature = createHmac('sha256', keyOf(secret)).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'user-agent': 'doe-dispatcher',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}
