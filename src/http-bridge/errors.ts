// Errors as answers: the code's status, and never more than the caller may know.
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { DispatcherError, httpStatus, type PublicError, publicError } from '../errors.js';
import type { Log } from '../log.js';
import { mapText } from '../map-text.js';
import type { Redact } from '../redact.js';
import type { JsonObject } from '../tasks/outcome.js';

interface ErrorOptions {
  log: Log;
  redact: Redact;
}

export function errorResponse(context: Context, error: unknown, { log, redact }: ErrorOptions): Response {
  if (!(error instanceof DispatcherError) || error.code === 'internal') {
    log.error('http.failed', { method: context.req.method, path: context.req.path, error });
  }
  // What a caller sent in a wrong place, such as a key as a field's name, is not said again.
  const { code, ...said } = publicError(error);
  const shown = { code, ...(mapText(said as JsonObject, redact) as Omit<PublicError, 'code'>) };
  const status = httpStatus(shown.code) as ContentfulStatusCode;
  if (status === 401) context.header('WWW-Authenticate', 'Bearer');
  if (status === 503 || status === 429) context.header('Retry-After', '1');
  return context.json({ ok: false, ...shown }, status);
}
