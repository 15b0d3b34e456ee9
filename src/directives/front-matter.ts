// The front matter of a directive: one schema with every default, and the reason for every refusal.
import { parseDocument } from 'yaml';
import { z } from 'zod';
import type { JsonObject } from '../tasks/outcome.js';
import { actorIdSchema, assurances, oneLine, projectIdSchema, taskTypeSchema } from '../tasks/task.js';
import type { FrontMatter } from './index.js';
import { ordinaryPlaces, whyNotOrdinary } from './ordinary-place.js';
import { assertPayloadSchema } from './payload-schema.js';
import { plainSettingName, settingName } from './setting-names.js';

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const maxAckTtlMs = 15 * 60_000;

const duration = (most: number, mostText: string) =>
  z
    .string()
    .regex(/^\d+(ms|s|m|h)$/, 'must be a duration such as 500ms, 30s, 15m or 2h')
    .transform((text) => Number.parseInt(text, 10) * (units[text.replace(/\d+/, '')] ?? 0))
    .refine((ms) => ms > 0 && ms <= most, `must be more than 0 and at most ${mostText}`);

/** A file's name that went over two lines, or hid a part of itself, could pass for a line of ours where it is shown. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const isSeen = (name: string): boolean => !unseen.test(name);
const notSeen = 'must not contain line ends, control characters, or ones that hide or turn text';

const fileName = z
  .string()
  .min(1)
  .max(255)
  .refine(isSeen, notSeen)
  .refine(
    (name) => !name.startsWith('/') && !name.includes('\\') && !name.split('/').includes('..'),
    'must name a file inside execution/',
  );

const integrationName = z.string().regex(/^[a-z][a-z0-9-]*$/, 'must be the name of an integration, in lower case');

const writableFolder = z
  .string()
  .regex(/^[^/.\\][^\\]*$/, 'must be a folder of the home, relative to it and not hidden')
  .refine(isSeen, notSeen)
  .refine((name) => whyNotOrdinary(name) === null, `must be ${ordinaryPlaces}`);

const sandbox = z.union(
  [
    z.literal('bwrap').transform(() => ({ write: [] as string[], network: false })),
    z
      .strictObject({
        type: z.literal('bwrap'),
        write: z.array(writableFolder).max(50).default([]),
        network: z.boolean().default(false),
      })
      .transform(({ write, network }) => ({ write, network })),
  ],
  {
    error:
      'must be bwrap, or { type: bwrap, write: [folders of the home, none of them hidden or deciding what runs], network: false }',
  },
);

export const frontMatterSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'must be letters, digits, ".", "_" and "-"')
    .optional(),
  task_type: taskTypeSchema.optional(),
  project_id: projectIdSchema.default('*'),
  // One line everywhere, whatever was written: white space of any kind becomes one space.
  title: z
    .string()
    .min(1)
    .max(200)
    .transform((title) => title.replace(/\s+/g, ' ').trim())
    .pipe(oneLine())
    .optional(),
  version: z.int().min(0).default(1),
  owner: oneLine().max(200).nullable().default(null),
  script: fileName.nullable().default(null),
  fix_script: fileName.nullable().default(null),
  require_ack: z.boolean().default(true),
  ack: z.enum(assurances).default('client'),
  ack_ttl: duration(maxAckTtlMs, '15m').default(maxAckTtlMs),
  approvers: z.array(actorIdSchema).max(50).default([]),
  quorum: z.int().min(1).max(10).optional(),
  questions: z.array(z.string().min(1).max(500)).max(20).default([]),
  auto_anneal: z.boolean().default(true),
  includes: z.array(fileName).max(100).default(['**/*']),
  retry: z
    .strictObject({
      count: z.int().min(0).max(100).default(0),
      backoff_ms: z.int().min(0).max(300_000).default(5000),
      on_interrupt: z.boolean().default(false),
    })
    .prefault({}),
  timeout: duration(24 * 3_600_000, '24h').default(5 * 60_000),
  concurrency: z.int().min(0).max(1000).default(0),
  payload: z.record(z.string(), z.unknown()).nullable().default(null),
  secrets: z.array(settingName).max(50).default([]),
  integrations: z.array(integrationName).max(20).default([]),
  env: z.array(plainSettingName).max(50).default([]),
  sandbox: sandbox.nullable().default(null),
});

export type FrontMatterResult = { ok: true; frontMatter: FrontMatter } | { ok: false; error: string };

/** Parses the YAML between the fences. `id` is the file's name without `.md`; `firstHeading` stands in for a title. */
export function parseFrontMatter(
  yaml: string,
  { id, firstHeading }: { id: string; firstHeading: string | null },
): FrontMatterResult {
  const document = parseDocument(yaml, {
    uniqueKeys: true,
    schema: 'core',
    merge: false,
    prettyErrors: true,
    customTags: [],
  });
  const fault = document.errors[0] ?? document.warnings[0];
  if (fault !== undefined)
    return { ok: false, error: `The front matter is not valid YAML: ${fault.message.split('\n')[0]}` };
  let value: unknown;
  try {
    // Blank, or comments alone: every key has a default.
    value = document.contents === null ? {} : document.toJS({ maxAliasCount: 50 });
  } catch (error) {
    return { ok: false, error: `The front matter is not valid YAML: ${(error as Error).message}` };
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return { ok: false, error: 'The front matter must be a YAML mapping, such as `title: …`.' };
  const known = Object.fromEntries(Object.entries(value).filter(([key]) => !key.startsWith('x-')));
  const parsed = frontMatterSchema.safeParse(known);
  if (!parsed.success) return { ok: false, error: describe(parsed.error) };
  const against = unfitName(parsed.data, id) ?? contradiction(parsed.data);
  if (against !== null) return { ok: false, error: against };
  const schemaFault = parsed.data.payload === null ? null : assertPayloadSchema(parsed.data.payload as JsonObject);
  if (schemaFault !== null) return { ok: false, error: `payload: ${schemaFault}` };
  return { ok: true, frontMatter: toFrontMatter(parsed.data, id, firstHeading) };
}

type FrontMatterData = z.output<typeof frontMatterSchema>;

const wantsOwners = ({ approvers, quorum }: FrontMatterData): boolean => approvers.length > 0 || quorum !== undefined;

/** Why the file's name cannot stand in for the id, or for the task type where neither is given; null where it can, or need not. */
function unfitName({ id, task_type }: FrontMatterData, fileId: string): string | null {
  if (id === undefined && !isSeen(fileId)) return `id: its default, the file's name, ${notSeen}`;
  const parsed = taskTypeSchema.safeParse(task_type ?? id ?? fileId);
  if (parsed.success) return null;
  return `task_type: the file's name ${JSON.stringify(fileId)} cannot be one, which ${parsed.error.issues[0]?.message}; give \`id\` or \`task_type\``;
}

/** What no field says by itself; null where all fits together. */
function contradiction(data: FrontMatterData): string | null {
  if (wantsOwners(data) && !data.require_ack) return 'require_ack: false contradicts approvers and quorum';
  const names = new Set(data.approvers).size;
  if (names > 0 && (data.quorum ?? 1) > names)
    return `quorum: ${data.quorum} can never be reached with ${names} of approvers`;
  return null;
}

const describe = (error: z.ZodError): string =>
  error.issues
    .map((issue) => {
      if (issue.code === 'unrecognized_keys')
        return `unknown key ${issue.keys.join(', ')} (allowed are ${Object.keys(frontMatterSchema.shape).join(', ')} and x-…)`;
      return `${issue.path.join('.')}: ${issue.message}`;
    })
    .join('; ');

function toFrontMatter(
  data: z.output<typeof frontMatterSchema>,
  fileId: string,
  firstHeading: string | null,
): FrontMatter {
  const id = data.id ?? fileId;
  return {
    id,
    taskType: data.task_type ?? id,
    projectId: data.project_id,
    title: data.title || firstHeading?.replace(/\s+/g, ' ').trim() || id,
    version: data.version,
    owner: data.owner,
    script: data.script,
    fixScript: data.fix_script,
    requireAck: data.require_ack,
    // Approvers and a quorum are about owners, and only a passkey has one.
    ack: wantsOwners(data) ? 'passkey' : data.ack,
    ackTtlMs: data.ack_ttl,
    approvers: data.approvers,
    quorum: data.quorum ?? 1,
    questions: data.questions,
    autoAnneal: data.auto_anneal,
    includes: data.includes,
    retry: { count: data.retry.count, backoffMs: data.retry.backoff_ms, onInterrupt: data.retry.on_interrupt },
    timeoutMs: data.timeout,
    concurrency: data.concurrency,
    payload: data.payload as JsonObject | null,
    secrets: data.secrets,
    integrations: data.integrations,
    env: data.env,
    sandbox: data.sandbox,
  };
}

/** JSON Schema (2020-12) of the front matter, for editors. */
export const frontMatterJsonSchema = (): JsonObject =>
  z.toJSONSchema(frontMatterSchema, { io: 'input', unrepresentable: 'any' }) as unknown as JsonObject;
