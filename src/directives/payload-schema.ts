// Checks payloads against a directive's JSON Schema 2020-12, and finds which values are paths and which are secrets.
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import { withinTime } from '../time-limit.js';
import { isJsonSchema, metaSchemaId } from './meta-schema.js';

/** What the schema says about the values of one payload, by JSON Pointer. */
export interface Marked {
  paths: string[];
  secrets: string[];
}

const ajv = new Ajv2020({
  allErrors: true,
  strict: true,
  strictTypes: false,
  strictRequired: false,
  allowUnionTypes: true,
  passContext: true,
  validateFormats: false,
  // `isJsonSchema` does it.
  validateSchema: false,
  // A schema is compiled for a few payloads: to make its code shorter takes longer than it saves.
  code: { optimize: false },
  logger: false,
});

for (const [keyword, list] of [
  ['x-doe-path', 'paths'],
  ['x-doe-secret', 'secrets'],
] as const) {
  ajv.addKeyword({
    keyword,
    schemaType: 'boolean',
    errors: false,
    validate(
      this: Marked | undefined,
      wanted: boolean,
      _data: unknown,
      _schema: unknown,
      context: { instancePath: string } | undefined,
    ): boolean {
      if (wanted && this !== undefined && context !== undefined) this[list].push(context.instancePath);
      return true;
    },
  });
}

/** Keys of other tools are welcome under `x-`, as in the front matter; under `x-doe-` a slip would go unseen. */
const foreignKeyword = /^x-(?!doe-)[a-z0-9_$:-]*$/i;

/** A property of that name becomes a word that means nothing, which harms nobody. */
function admitForeign(schema: unknown): void {
  if (schema === null || typeof schema !== 'object') return;
  for (const [key, value] of Object.entries(schema)) {
    if (foreignKeyword.test(key) && ajv.getKeyword(key) === false) ajv.addKeyword(key);
    admitForeign(value);
  }
}

const compiled = new Map<string, ValidateFunction>();
const remembered = 200;

function compile(schema: JsonObject): ValidateFunction {
  const key = JSON.stringify(schema);
  const known = compiled.get(key);
  if (known !== undefined) return known;
  // Ajv keeps what it compiled by $id: two directives may use the same one.
  const { $id: _id, ...anonymous } = schema;
  assertJsonSchema(anonymous);
  admitForeign(anonymous);
  const validate = ajv.compile(anonymous);
  if (compiled.size >= remembered) compiled.clear();
  compiled.set(key, validate);
  return validate;
}

function assertJsonSchema(schema: JsonObject): void {
  const { $schema: dialect = metaSchemaId } = schema;
  if (dialect !== metaSchemaId && dialect !== `${metaSchemaId}#`)
    throw new Error(`its $schema must be ${metaSchemaId}, or absent`);
  if (!isJsonSchema(schema)) throw new Error(ajv.errorsText(isJsonSchema.errors, { dataVar: 'payload' }));
}

/** What is wrong with a schema, as one sentence; null where it can be used. */
export function assertPayloadSchema(schema: JsonObject): string | null {
  if (schema.type !== undefined && schema.type !== 'object') return 'the schema must be of `type: object`';
  try {
    compile(schema);
    return null;
  } catch (error) {
    return `the JSON Schema cannot be used: ${(error as Error).message}`;
  }
}

/** A schema's patterns are whatever somebody wrote: one that runs for hours must not hold up everything else. */
const longestCheckMs = 500;
const shownFaults = 50;

/**
 * @throws DispatcherError `invalid_payload`, naming the faults by their JSON Pointers; `directive_broken` for a schema without end
 */
export function checkPayload(schema: JsonObject, payload: JsonObject): Marked {
  const marked: Marked = { paths: [], secrets: [] };
  const validate = compile(schema);
  const checked = withinTime(() => validate.call(marked, payload), longestCheckMs);
  if (checked === null)
    throw new DispatcherError('directive_broken', `The payload was not checked within ${longestCheckMs} ms.`, {
      hint: 'Simplify the patterns in the payload schema of the directive.',
    });
  if (!checked.value) throw invalidPayload(validate.errors ?? []);
  return { paths: [...new Set(marked.paths)], secrets: [...new Set(marked.secrets)] };
}

function invalidPayload(errors: ErrorObject[]): DispatcherError {
  const faults = errors
    .slice(0, shownFaults)
    .map((error) => ({ path: error.instancePath || '/', message: sentence(error) }));
  return new DispatcherError(
    'invalid_payload',
    `The payload does not fit the directive: ${faults.map(({ path, message }) => `${path} ${message}`).join('; ')}.`,
    {
      hint: 'Read the directive (read_directive) for the schema of its payload.',
      details: { faults },
    },
  );
}

function sentence({ keyword, message, params }: ErrorObject): string {
  if (keyword === 'additionalProperties')
    return `must not have the property ${JSON.stringify(params.additionalProperty)}`;
  if (keyword === 'enum')
    return `must be one of ${(params.allowedValues as unknown[]).map((value) => JSON.stringify(value)).join(', ')}`;
  if (keyword === 'const') return `must be ${JSON.stringify(params.allowedValue)}`;
  return message ?? `fails ${keyword}`;
}
