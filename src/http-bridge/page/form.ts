// A form's fields, read once and strictly: a field given twice is refused, and so is any other kind of body.
import type { Context } from 'hono';
import { DispatcherError } from '../../errors.js';
import { readText } from '../body.js';

export type Form = ReadonlyMap<string, string>;

/** @throws DispatcherError `invalid_input`, `too_large` */
export async function readForm(context: Context): Promise<Form> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type))
    throw new DispatcherError('invalid_input', 'The page takes what its own forms send.', {
      hint: 'Programs use the routes of GET /openapi.json.',
    });
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(await readText(context.req.raw))) {
    if (fields.has(name)) throw new DispatcherError('invalid_input', `The form names ${name} twice.`);
    fields.set(name, value.replaceAll('\r\n', '\n'));
  }
  return fields;
}
