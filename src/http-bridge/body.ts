// A request's body and query, parsed once and strictly.
import type { Context } from 'hono';
import { z } from 'zod';
import { parseJsonStrict } from '../directives/json.js';
import { DispatcherError } from '../errors.js';
import type { JsonObject } from '../tasks/outcome.js';

export const maxBodyBytes = 512 * 1024;

/**
 * The JSON object in the body; an empty body is `{}`.
 * @throws DispatcherError `too_large`, `invalid_input`
 */
export async function readBody(context: Context): Promise<JsonObject> {
  const text = await readText(context.req.raw);
  if (text.trim() === '') return {};
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) {
    throw new DispatcherError(
      'invalid_input',
      `The body is ${type === '' ? 'of no stated type' : `of type ${type}`}; it must be JSON.`,
      { hint: 'Send `Content-Type: application/json`.' },
    );
  }
  const body = parseJsonStrict(text);
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw new DispatcherError('invalid_input', 'The body must be a JSON object.', {
      hint: 'Send {"field": value, …}.',
    });
  return body;
}

export async function readText(request: Request): Promise<string> {
  const tooLarge = () =>
    new DispatcherError('too_large', `The body is larger than ${maxBodyBytes / 1024} KiB.`, {
      hint: 'Put large data into a file of the home and name the file.',
    });
  if (Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) throw tooLarge();
  if (request.body === null) return '';
  const bytes = await wholeBody(request.body as unknown as AsyncIterable<Uint8Array>, tooLarge);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DispatcherError('invalid_input', 'The body is not UTF-8 text.', {
      hint: 'Send JSON in UTF-8 (RFC 8259 section 8.1).',
      cause,
    });
  }
}

async function wholeBody(body: AsyncIterable<Uint8Array>, tooLarge: () => DispatcherError): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > maxBodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof DispatcherError) throw cause;
    throw new DispatcherError('invalid_input', 'The body broke off.', { hint: 'Send it again.', cause });
  }
  return Buffer.concat(chunks);
}

/**
 * The same request with its body read whole, so that whoever handles it meets no more than we take.
 * @throws DispatcherError `too_large`, `invalid_input`
 */
export async function bounded(request: Request): Promise<Request> {
  if (request.body === null) return request;
  const { method, headers, signal } = request;
  return new Request(request.url, { method, headers, signal, body: await readText(request) });
}

/**
 * The query as input fields: numbers where the operation's schema wants numbers. A parameter given twice is refused.
 * @throws DispatcherError `invalid_input`
 */
export function readQuery(context: Context, shape: z.ZodRawShape): JsonObject {
  const { searchParams } = new URL(context.req.url);
  const entries = [...searchParams].map(([name, value]) => {
    if (searchParams.getAll(name).length > 1)
      throw new DispatcherError('invalid_input', `The query names ${name} more than once.`, {
        hint: 'Give each parameter once.',
      });
    return [name, wantsNumber(shape[name]) && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value] as const;
  });
  // From entries, so that `__proto__` is a field like any other, and refused as an unknown one.
  return Object.fromEntries(entries);
}

function wantsNumber(schema: unknown): boolean {
  if (!(schema instanceof z.ZodType)) return false;
  return schema instanceof z.ZodOptional ? wantsNumber(schema.unwrap()) : schema instanceof z.ZodNumber;
}
