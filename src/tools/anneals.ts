// Repair bundles, listed and read.
import { z } from 'zod';
import { isoTime, isoTimeOrNull } from '../clock.js';
import { DispatcherError } from '../errors.js';
import type { AnnealRow } from '../queue/store.js';
import { classificationSchema, outcomeSchema } from '../tasks/outcome.js';
import { taskIdSchema } from '../tasks/task.js';
import { defineOperation } from './operation.js';

const readOnly = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false } as const;
const occurrencesShown = 20;
const annealStatus = z.enum(['open', 'completed', 'dismissed']);

const annealSchema = z.object({
  aid: z.string(),
  task_id: z.string(),
  status: annealStatus,
  error_type: z.string(),
  classification: classificationSchema,
  fingerprint: z.string(),
  message: z.string(),
  outcome: outcomeSchema.nullable(),
  exit_code: z.number().int().nullable(),
  attempts: z.number().int(),
  opened_at: z.string(),
  closed_at: z.string().nullable(),
});

const annealView = ({ aid, taskId, status, failure, openedAt, closedAt }: AnnealRow): z.infer<typeof annealSchema> => ({
  aid,
  task_id: taskId,
  status,
  error_type: failure.errorType,
  classification: failure.classification,
  fingerprint: failure.fingerprint,
  message: failure.message,
  outcome: failure.outcome,
  exit_code: failure.exitCode,
  attempts: failure.attempts,
  opened_at: isoTime(openedAt),
  closed_at: isoTimeOrNull(closedAt),
});

export const listAnneals = defineOperation({
  name: 'list_anneals',
  title: 'List repairs',
  description: 'Repair bundles, newest first.',
  input: z.object({
    status: annealStatus.optional(),
    task_id: taskIdSchema.optional(),
    limit: z.int().min(1).max(200).optional(),
    cursor: z.string().max(512).optional(),
  }),
  output: z.object({ anneals: z.array(annealSchema), next_cursor: z.string().nullable() }),
  annotations: readOnly,
  tool: false,
  async run({ store }, { status, task_id, limit, cursor }) {
    const page = await store.ledger.anneals({ status, taskId: task_id, limit: limit ?? 50, cursor });
    return { anneals: page.anneals.map(annealView), next_cursor: page.nextCursor };
  },
});

export const readAnneal = defineOperation({
  name: 'read_anneal',
  title: 'Read a repair bundle',
  description: 'One bundle with its files, and the other tasks that failed alike.',
  input: z.object({ aid: z.string().min(1).max(256) }),
  output: annealSchema.extend({
    files: z.array(z.object({ name: z.string(), mime_type: z.string(), bytes: z.number().int(), text: z.string() })),
    seen: z
      .object({ failures: z.number().int(), tasks: z.number().int() })
      .describe('How often it failed alike, whole'),
    occurrences: z.array(z.object({ task_id: z.string(), aid: z.string().nullable(), at: z.string() })),
  }),
  annotations: readOnly,
  tool: false,
  async run({ store, annealer }, { aid }) {
    const anneal = await store.ledger.anneal(aid);
    if (anneal === null)
      throw new DispatcherError('anneal_not_found', `There is no bundle ${aid}.`, {
        hint: 'List them with `doe anneal list`.',
      });
    const files = await annealer.files(aid);
    const alike = await store.ledger.failuresLike(anneal.failure.fingerprint, occurrencesShown);
    return {
      ...annealView(anneal),
      files: await Promise.all(
        files.map(async ({ name, mimeType, bytes }) => ({
          name,
          mime_type: mimeType,
          bytes,
          text: await annealer.read(aid, name),
        })),
      ),
      seen: await store.ledger.countLike(anneal.failure.fingerprint),
      occurrences: alike.map((failure) => ({ task_id: failure.taskId, aid: failure.aid, at: isoTime(failure.at) })),
    };
  },
});
