// JSON Schema's own schema, 2020-12, which payload schemas are held against. Its compilation takes longer than all else of a
// short command; so the build compiles it and puts the code in this module's place (scripts/bundle.mjs).
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

export const ajv = new Ajv2020({
  allErrors: true,
  validateFormats: false,
  logger: false,
  code: { source: true, esm: true },
});

export const metaSchemaId = 'https://json-schema.org/draft/2020-12/schema';

const compiled = ajv.getSchema(metaSchemaId);
if (compiled === undefined) throw new Error(`ajv does not know ${metaSchemaId}.`);

/** What is wrong with a schema stands in its `errors`, as with every function of ajv's. */
export const isJsonSchema: ValidateFunction = compiled;
