// Tool schemas as models see them: from the operations' own zod schemas, flat, without what costs words and says nothing.
import type { StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { z } from 'zod';

type JsonSchema = Record<string, unknown>;

/**
 * A schema that advertises `json` and lets every value through: the operation itself parses its input,
 * so that wrong fields get the same coded errors through every door.
 */
const advertise = (json: JsonSchema): StandardSchemaWithJSON<unknown, unknown> => ({
  '~standard': {
    version: 1,
    vendor: 'doe-dispatcher',
    validate: (value: unknown) => ({ value }),
    jsonSchema: { input: () => json, output: () => json },
  },
});

export const inputSchema = (schema: z.ZodObject) =>
  advertise(brief(z.toJSONSchema(schema.strict(), { io: 'input', unrepresentable: 'any' })));

/** One level deep: models read results, not their schemas. */
export const outputSchema = (schema: z.ZodObject) => {
  const { properties, required, type } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  const shallow = Object.entries(properties ?? {}).map(([name, property]) => [name, outline(property as JsonSchema)]);
  return advertise({ type, properties: Object.fromEntries(shallow), required });
};

/** What a reader needs of a nested schema. */
function outline(schema: JsonSchema): JsonSchema {
  if (Array.isArray(schema.anyOf)) {
    const types = schema.anyOf.map((one: JsonSchema) => one.type).filter((type) => typeof type === 'string');
    return types.length === schema.anyOf.length ? { type: types } : {};
  }
  return schema.type === undefined ? {} : { type: schema.type };
}

const wordless = new Set(['$schema', 'pattern', 'minLength', 'maxLength', 'format', 'propertyNames']);

/** Drops patterns and bounds that the operation checks and explains anyway. */
function brief(schema: unknown): JsonSchema {
  const trim = (value: unknown, inProperties: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item) => trim(item, false));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => inProperties || !wordless.has(name))
        .map(([name, inner]) => [name, trim(inner, name === 'properties' && !inProperties)]),
    );
  };
  return trim(schema, false) as JsonSchema;
}
