// The audit trail: who did what to which task, by which way in, and whether anybody laid hands on the record since.
import { z } from 'zod';
import { isoTime } from '../clock.js';
import type { Event } from '../queue/store.js';
import { taskStatuses } from '../tasks/states.js';
import { assurances, channels, principals, taskIdSchema } from '../tasks/task.js';
import { defineOperation } from './operation.js';
import { verifyConsents } from './passkeys.js';
import { requireOperator } from './views.js';

const readOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const;

const eventSchema = z.object({
  seq: z.number().int(),
  task_id: z.string().nullable(),
  type: z.string(),
  from: z.enum(taskStatuses).nullable(),
  to: z.enum(taskStatuses).nullable(),
  actor_id: z.string(),
  principal: z.enum(principals),
  channel: z.enum(channels),
  key_id: z.string().nullable(),
  person: z.string().nullable().describe('Whose key it was, where actor_id is another name'),
  assurance: z.enum(assurances).nullable(),
  data: z.record(z.string(), z.unknown()),
  at: z.string(),
  hash: z.string(),
});

/** Whose key it was, where the caller gave itself another name. */
export const personOf = ({ data: { person } }: Pick<Event, 'data'>): string | null =>
  typeof person === 'string' ? person : null;

const eventView = ({ taskId, actorId, keyId, at, ...event }: Event): z.infer<typeof eventSchema> => ({
  seq: event.seq,
  task_id: taskId,
  type: event.type,
  from: event.from,
  to: event.to,
  actor_id: actorId,
  principal: event.principal,
  channel: event.channel,
  key_id: keyId,
  person: personOf(event),
  assurance: event.assurance,
  data: event.data,
  at: isoTime(at),
  hash: event.hash,
});

export const listAudit = defineOperation({
  name: 'list_audit',
  title: 'Read the audit trail',
  description: 'Events in the order in which they happened: the newest, or those after one of them.',
  input: z.object({
    task_id: taskIdSchema.optional().describe('Of this task only'),
    after: z.int().min(0).optional().describe('Events after this seq; without it, the newest'),
    limit: z.int().min(1).max(1000).optional().describe('At most so many; default 100'),
  }),
  output: z.object({ events: z.array(eventSchema), next_after: z.number().int().nullable() }),
  annotations: readOnly,
  tool: false,
  async run({ store }, { task_id, after, limit = 100 }, call) {
    requireOperator(call, 'Reading the audit trail');
    const events = await store.ledger.events({ taskId: task_id, after, limit, newest: after === undefined });
    const more = after !== undefined && events.length === limit;
    return { events: events.map(eventView), next_after: more ? (events.at(-1)?.seq ?? null) : null };
  },
});

export const verifyAudit = defineOperation({
  name: 'verify_audit',
  title: 'Verify the audit trail',
  description:
    'Recomputes every chain and seal of the trail, and names each row that was edited, removed or moved; checks every consent of a passkey again.',
  input: z.object({
    seal: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'must be the seal_hash of an earlier verify')
      .optional()
      .describe('The seal_hash of an earlier verify, kept elsewhere: it must still be there'),
  }),
  output: z.object({
    intact: z.boolean(),
    events: z.number().int(),
    seals: z.number().int(),
    sealed_up_to: z.number().int(),
    seal_hash: z.string().nullable().describe('Kept elsewhere, it shows later that nothing before it was rewritten'),
    faults: z.array(
      z.object({ kind: z.string(), seq: z.number().int(), task_id: z.string().nullable(), message: z.string() }),
    ),
  }),
  annotations: readOnly,
  tool: false,
  async run(dispatcher, { seal }, call) {
    requireOperator(call, 'Verifying the audit trail');
    const { ledger } = dispatcher.store;
    const { events, seals, sealedUpTo, sealHash, faults: ofRows } = await ledger.verify();
    const ofConsents = (await verifyConsents(dispatcher)).map((fault) => ({
      kind: 'consent_unproven',
      seq: 0,
      ...fault,
    }));
    const ofSeal = seal === undefined || (await ledger.sealed(seal)) !== null ? [] : [sealGone(seal)];
    const faults = [...ofRows, ...ofConsents, ...ofSeal];
    return {
      intact: faults.length === 0,
      events,
      seals,
      sealed_up_to: sealedUpTo,
      seal_hash: sealHash,
      faults: faults.map(({ taskId, ...fault }) => ({ ...fault, task_id: taskId })),
    };
  },
});

const sealGone = (hash: string) => ({
  kind: 'seal_missing',
  seq: 0,
  taskId: null,
  message: `No seal has the hash ${hash}: what it covered was rewritten.`,
});
