// Settings: one schema, frozen. This file alone reads the environment and the home's .env.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseDotenv } from 'dotenv';
import { z } from 'zod';
import { DispatcherError } from './errors.js';
import { addressSecrets } from './redact.js';
import { assurances } from './tasks/task.js';

const wholeNumber = (low: number, high: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(low, `must be ${low} to ${high}`).max(high, `must be ${low} to ${high}`));

/** Requests are not made to an address that carries a user and password: fetch refuses it, naming it whole. */
const httpUrl = (instead = 'leave them out') =>
  z
    .url({ protocol: /^https?$/, error: 'must be an http:// or https:// address', abort: true })
    .refine((url) => addressSecrets(url).length === 0, `must not carry a user and password: ${instead}`)
    .transform((url) => url.replace(/\/+$/, ''));

/** Every setting that the program itself reads, by its name in the environment. */
const settings = z.object({
  MCP_SECRET: z.string().optional(),
  MCP_SECRET_PREVIOUS: z.string().optional(),
  MCP_API_KEY: z.string().optional(),
  MCP_AGENT_KEY: z.string().optional(),
  MCP_URL: httpUrl().optional(),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: wholeNumber(0, 65_535).default(3001),
  DOE_HOME: z.string().optional(),
  DOE_ALLOWED_HOSTS: z.string().default(''),
  DOE_PUBLIC_URL: httpUrl().optional(),
  DOE_MIN_ACK: z.enum(assurances, { error: `must be one of ${assurances.join(', ')}` }).default('client'),
  DOE_DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
    .optional(),
  DOE_CONCURRENCY: wholeNumber(1, 256).default(4),
  DOE_PROJECT_CONCURRENCY: wholeNumber(0, 256).default(0),
  DOE_LEASE_MS: wholeNumber(500, 600_000).default(30_000),
  DOE_POLL_MS: wholeNumber(50, 60_000).default(2000),
  DOE_KEEP_DAYS: wholeNumber(1, 36_500).default(90),
  DOE_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'], { error: 'must be debug, info, warn or error' })
    .default('info'),
  DOE_WEBHOOK_URL: httpUrl('messages are signed with DOE_WEBHOOK_SECRET').optional(),
  DOE_WEBHOOK_SECRET: z.string().min(16, 'must have 16 characters or more').optional(),
  NETLIFY_AUTH_TOKEN: z.string().optional(),
  AIRTABLE_API_KEY: z.string().optional(),
  AIRTABLE_BASE_ID: z.string().optional(),
  BASE44_API_KEY: z.string().optional(),
  BASE44_APP_ID: z.string().optional(),
  N8N_WEBHOOK_URL: httpUrl('put them into N8N_WEBHOOK_AUTH, as `Authorization: Basic …`').optional(),
  N8N_WEBHOOK_AUTH: z.string().optional(),
  N8N_API_URL: httpUrl('n8n’s API takes N8N_API_KEY').optional(),
  N8N_API_KEY: z.string().optional(),
});

/** The names of them all. */
export const settingNames: readonly string[] = Object.keys(settings.shape);

/** What scripts are handed under the `DOE_` prefix: not settings, and no mistake where one stands in the environment. */
const scriptVariables = new Set([
  'DOE_TASK_ID',
  'DOE_RUN_ID',
  'DOE_ATTEMPT',
  'DOE_PROJECT_ID',
  'DOE_TASK_TYPE',
  'DOE_RESULT_FILE',
  'DOE_RUN_KEY',
]);

/** Names whose values are secrets wherever they appear. */
export const secretSettingNames = [
  'MCP_SECRET',
  'MCP_SECRET_PREVIOUS',
  'MCP_API_KEY',
  'MCP_AGENT_KEY',
  'DOE_DATABASE_URL',
  'DOE_WEBHOOK_URL',
  'DOE_WEBHOOK_SECRET',
  'NETLIFY_AUTH_TOKEN',
  'AIRTABLE_API_KEY',
  'BASE44_API_KEY',
  'N8N_WEBHOOK_URL',
  'N8N_WEBHOOK_AUTH',
  'N8N_API_KEY',
] as const;

export interface NamedKey {
  /** The person that an operator key stands for; null for a key without a name. */
  name: string | null;
  key: string;
}

export interface Config {
  /** Absolute path of the home folder. */
  readonly home: string;
  readonly secret: string | null;
  readonly previousSecret: string | null;
  readonly operatorKeys: readonly NamedKey[];
  readonly agentKeys: readonly NamedKey[];
  readonly url: string | null;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly publicUrl: string | null;
  readonly minAck: (typeof assurances)[number];
  readonly databaseUrl: string | null;
  readonly concurrency: number;
  /** At most so many runs of one project at once; 0 = no limit. */
  readonly projectConcurrency: number;
  readonly leaseMs: number;
  readonly pollMs: number;
  readonly keepDays: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  readonly webhook: { url: string; secret: string } | null;
  /** Everything that the environment and .env hold: the source of scripts' `secrets` and `env`, and of integrations. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * The variables of this process over those of the home's `.env`. A missing `.env` is an empty one. An empty value of the process
 * is none and hides nothing: compose's `${NAME:-}` makes one of every name that nobody set.
 */
export function readVariables(home: string, environment: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const fromFile = readDotenv(join(home, '.env'));
  const fromProcess = Object.fromEntries(
    Object.entries(environment).filter((entry): entry is [string, string] => (entry[1] ?? '') !== ''),
  );
  return { ...fromFile, ...fromProcess };
}

function readDotenv(path: string): Record<string, string> {
  try {
    return parseDotenv(readFileSync(path));
  } catch (error) {
    // Where a part of the path is a file there is no home, which others say better.
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return {};
    throw new DispatcherError('config_invalid', `${path} cannot be read: ${(error as Error).message}.`, {
      hint: 'Make it readable for the user that runs doe.',
      cause: error,
    });
  }
}

/**
 * Reads every setting of a home. Empty values count as unset.
 * @throws DispatcherError `config_invalid`, naming the setting, what was found and what is allowed
 */
export function loadConfig(home: string, environment: NodeJS.ProcessEnv = process.env): Config {
  const variables = readVariables(home, environment);
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
  refuseUnknown(given);
  const parsed = settings.safeParse(given);
  if (!parsed.success) throw invalidSetting(parsed.error, given);
  const s = parsed.data;
  const operatorKeys = parseKeys('MCP_API_KEY', s.MCP_API_KEY);
  const agentKeys = parseKeys('MCP_AGENT_KEY', s.MCP_AGENT_KEY);
  assertApart(operatorKeys, agentKeys);
  return Object.freeze({
    home,
    secret: s.MCP_SECRET ?? null,
    previousSecret: s.MCP_SECRET_PREVIOUS ?? null,
    operatorKeys,
    agentKeys,
    url: s.MCP_URL ?? null,
    host: s.HOST,
    port: s.PORT,
    allowedHosts: s.DOE_ALLOWED_HOSTS.split(',')
      .map((host) => host.trim().toLowerCase())
      .filter(Boolean),
    publicUrl: s.DOE_PUBLIC_URL ?? null,
    minAck: s.DOE_MIN_ACK,
    databaseUrl: s.DOE_DATABASE_URL ?? null,
    concurrency: s.DOE_CONCURRENCY,
    projectConcurrency: s.DOE_PROJECT_CONCURRENCY,
    leaseMs: s.DOE_LEASE_MS,
    pollMs: s.DOE_POLL_MS,
    keepDays: s.DOE_KEEP_DAYS,
    logLevel: s.DOE_LOG_LEVEL,
    webhook: webhookOf(s.DOE_WEBHOOK_URL, s.DOE_WEBHOOK_SECRET),
    // Looked up by names that directives give: `constructor` is no setting.
    variables: Object.freeze(Object.assign(Object.create(null) as Record<string, string>, variables)),
  });
}

/** A message that nobody can check the origin of is not sent. */
function webhookOf(url: string | undefined, secret: string | undefined): Config['webhook'] {
  if (url === undefined) return null;
  if (secret !== undefined) return { url, secret };
  throw new DispatcherError('config_invalid', 'DOE_WEBHOOK_URL is set, and DOE_WEBHOOK_SECRET is not.', {
    hint: 'Set DOE_WEBHOOK_SECRET to 16 characters or more: messages are signed with it.',
  });
}

function refuseUnknown(given: Record<string, string>): void {
  const known = settingNames.filter((name) => name.startsWith('DOE_'));
  const unknown = Object.keys(given).find(
    (name) => name.startsWith('DOE_') && !known.includes(name) && !scriptVariables.has(name),
  );
  if (unknown === undefined) return;
  throw new DispatcherError('config_invalid', `${unknown} is no setting of doe.`, {
    hint: `Remove it, or correct its name. Settings under DOE_ are: ${known.join(', ')}.`,
  });
}

function invalidSetting(error: z.ZodError, given: Record<string, string>): DispatcherError {
  const issue = error.issues[0];
  const name = String(issue?.path[0]);
  const secret =
    (secretSettingNames as readonly string[]).includes(name) || addressSecrets(given[name] ?? '').length > 0;
  return new DispatcherError(
    'config_invalid',
    `${name} is ${secret ? 'set to something' : JSON.stringify(given[name])} that cannot be used: it ${issue?.message}.`,
    {
      hint: `Correct ${name} in the environment or in the home's .env.`,
    },
  );
}

/** `key` or `name:key`, comma-separated. */
function parseKeys(setting: string, text: string | undefined): readonly NamedKey[] {
  const keys = (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map(parseKey);
  const bad = keys.find(({ key }) => key === '' || /\s/.test(key));
  if (bad)
    throw new DispatcherError(
      'config_invalid',
      `${setting} holds an empty key or one with a space in it; each is \`key\` or \`name:key\`, separated by commas.`,
    );
  return Object.freeze(keys);
}

/** A key that stands in both lists would make every agent an operator. */
function assertApart(operators: readonly NamedKey[], agents: readonly NamedKey[]): void {
  if (!agents.some(({ key }) => operators.some((operator) => operator.key === key))) return;
  throw new DispatcherError('config_invalid', 'MCP_API_KEY and MCP_AGENT_KEY hold the same key.', {
    hint: 'Make another agent key with `openssl rand -base64 36`.',
  });
}

function parseKey(part: string): NamedKey {
  const colon = part.indexOf(':');
  return colon < 1
    ? { name: null, key: part.slice(colon + 1) }
    : { name: part.slice(0, colon), key: part.slice(colon + 1) };
}

/** Values that must never be shown, for redaction; short ones are left out since they would match by accident. */
export function secretValues(config: Config, further: readonly string[] = []): string[] {
  const fromSettings = secretSettingNames.map((name) => config.variables[name]);
  const keys = [...config.operatorKeys, ...config.agentKeys].map(({ key }) => key);
  return [...fromSettings, ...keys, ...further.map((name) => config.variables[name])].filter(
    (value): value is string => value !== undefined && value.length >= 4,
  );
}
