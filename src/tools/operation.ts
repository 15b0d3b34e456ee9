// The shape of one operation. MCP, HTTP, the command line and the page call the same ones through `invoke`.
import type { z } from 'zod';
import { maxDepth } from '../directives/json.js';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';

export interface Annotations {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
}

/** What a call brings besides its input. */
export interface CallContext {
  caller: Caller;
  /** Aborted when the caller went away; long waits end early. */
  signal?: AbortSignal | undefined;
  /** Aborted when the door closes: what only waits answers with what there is. */
  closing?: AbortSignal | undefined;
  /** W3C Trace Context of the request. */
  traceparent?: string | undefined;
  /** How a person answered, as a door inside this process established it; never taken from a request. */
  evidence?: Evidence | undefined;
}

/** A person's answer to a form in the client (its nonce consumed), or a verified passkey assertion. */
export type Evidence =
  | { kind: 'elicited'; nonceId: string }
  | {
      kind: 'passkey';
      credentialId: string;
      owner: string;
      assertion: JsonObject;
      /** What its challenge was made of. */
      covered: JsonObject;
      origin: string;
    };

/** W3C Trace Context, section 3.2, of which neither id may be all zeros; anything else is passed over. */
export const validTraceparent = (given: unknown): string | undefined =>
  typeof given === 'string' && /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/.test(given)
    ? given
    : undefined;

// biome-ignore lint/suspicious/noExplicitAny: an operation of any input, for lists; `invoke` parses before it runs
export type AnyOperation = Operation<any, any>;

export interface Operation<Input extends z.ZodObject, Output extends z.ZodObject> {
  /** Its name in the API and the documentation, and the MCP tool's. */
  name: string;
  title: string;
  /** For a model that chooses: what it does, when to use it, what to call next. */
  description: string;
  input: Input;
  output: Output;
  annotations: Annotations;
  /** Whether models get it as a tool. */
  tool: boolean;
  run(dispatcher: Dispatcher, input: z.output<Input>, call: CallContext): Promise<z.input<Output>>;
}

export const defineOperation = <Input extends z.ZodObject, Output extends z.ZodObject>(
  operation: Operation<Input, Output>,
): Operation<Input, Output> => operation;

/**
 * Parses the input once, strictly, and runs the operation.
 * @throws DispatcherError `invalid_input` that names every wrong field; whatever the operation throws
 */
export async function invoke<Input extends z.ZodObject, Output extends z.ZodObject>(
  dispatcher: Dispatcher,
  operation: Operation<Input, Output>,
  input: unknown,
  call: CallContext,
): Promise<z.input<Output>> {
  return operation.run(dispatcher, parseInput(operation, input), call);
}

/** @throws DispatcherError `invalid_input` that names every wrong field */
export function parseInput<Input extends z.ZodObject>(
  { name, input: schema }: { name: string; input: Input },
  input: unknown,
): z.output<Input> {
  assertStorable(name, input);
  const parsed = strictly(schema).safeParse(input);
  if (!parsed.success) throw invalidInput(name, parsed.error, Object.keys(schema.shape));
  return parsed.data as z.output<Input>;
}

/** Made once for each schema: zod compiles a new one at its first use. */
const strictSchemas = new WeakMap<z.ZodObject, z.ZodObject>();

function strictly(schema: z.ZodObject): z.ZodObject {
  let strict = strictSchemas.get(schema);
  if (strict === undefined) {
    strict = schema.strict();
    strictSchemas.set(schema, strict);
  }
  return strict;
}

/** What could not be stored and read back as it was, or would overflow the stack of whoever walks it, is refused at the door. */
function assertStorable(name: string, input: unknown): void {
  const refuse = (path: string[], why: string, hint: string) =>
    new DispatcherError('invalid_input', `${name} cannot take this input: ${path.join('.').slice(0, 200)} ${why}.`, {
      hint,
    });
  const walk = (value: unknown, path: string[]): void => {
    if (path.length > maxDepth)
      throw refuse(path.slice(0, 3), 'is nested too deeply', `Nest at most ${maxDepth} levels.`);
    if (typeof value === 'string' && loneSurrogate.test(value))
      throw refuse(path, 'is not well-formed Unicode (a lone surrogate)', 'Send valid Unicode text.');
    if (typeof value === 'number' && !Number.isFinite(value))
      throw refuse(path, 'is a number beyond every double', 'Send it as a text.');
    if (value === null || typeof value !== 'object') return;
    for (const [key, inner] of Object.entries(value)) {
      if (loneSurrogate.test(key))
        throw refuse(path, 'has a name that is not well-formed Unicode', 'Send valid Unicode text.');
      walk(inner, [...path, key]);
    }
  };
  walk(input, []);
}

const loneSurrogate = /\p{Surrogate}/u;

function invalidInput(name: string, error: z.ZodError, fields: string[]): DispatcherError {
  const faults = error.issues.map((issue) => {
    const path = issue.path.join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  return new DispatcherError('invalid_input', `${name} cannot take this input: ${faults.join('; ')}.`, {
    hint: fields.length === 0 ? `${name} takes no fields.` : `${name} takes ${fields.join(', ')}.`,
    details: { faults: error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message })) },
  });
}
