// The tools as models see them: from the operations' own zod schemas, flat, without what costs words and says nothing.
// Plain JSON, which nothing at run time changes: the build puts the value in this module's place (scripts/build.mjs).
import type { Icon, ToolAnnotations } from '@modelcontextprotocol/server';
import { z } from 'zod';
import { operations } from '../tools/index.js';
import { iconOf } from './icons.js';

export type JsonSchema = Record<string, unknown>;

export interface ToolDefinition {
  name: string;
  title: string;
  description: string;
  annotations: ToolAnnotations;
  icons: Icon[];
  inputSchema: JsonSchema;
  outputSchema: JsonSchema;
}

const inputSchema = (schema: z.ZodObject): JsonSchema =>
  brief(z.toJSONSchema(schema.strict(), { io: 'input', unrepresentable: 'any' }));

/** One level deep: models read results, not their schemas. */
function outputSchema(schema: z.ZodObject): JsonSchema {
  const { properties, required, type } = z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  const shallow = Object.entries(properties ?? {}).map(([name, property]) => [name, outline(property as JsonSchema)]);
  return { type, properties: Object.fromEntries(shallow), required };
}

/** What a reader needs of a nested schema. */
function outline(schema: JsonSchema): JsonSchema {
  if (Array.isArray(schema.anyOf)) {
    const types = schema.anyOf.map((one: JsonSchema) => one.type).filter((type) => typeof type === 'string');
    return types.length === schema.anyOf.length ? { type: types } : {};
  }
  return schema.type === undefined ? {} : { type: schema.type };
}

const wordless = new Set(['$schema', '$defs', '$ref', 'pattern', 'minLength', 'maxLength', 'format', 'propertyNames']);

/** Drops patterns and bounds that the operation checks and explains anyway, and references, which not every client follows. */
function brief(schema: unknown): JsonSchema {
  const trim = (value: unknown, inProperties: boolean): unknown => {
    if (Array.isArray(value)) return value.map((item) => trim(item, false));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name, inner]) => inProperties || !(wordless.has(name) || inner === Number.MAX_SAFE_INTEGER))
        .map(([name, inner]) => [name, trim(inner, name === 'properties' && !inProperties)]),
    );
  };
  return trim(schema, false) as JsonSchema;
}

export const toolDefinitions: ToolDefinition[] = operations
  .filter(({ tool }) => tool)
  .map(({ name, title, description, annotations, input, output }) => ({
    name,
    title,
    description,
    annotations: { title, ...annotations },
    icons: [iconOf(name)],
    inputSchema: inputSchema(input),
    outputSchema: outputSchema(output),
  }));
