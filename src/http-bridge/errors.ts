// Errors as answers: the code's status, and never more than the caller may know.
import type { Context } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { DispatcherError, httpStatus, publicError } from '../errors.js';
import type { Log } from '../log.js';

export function errorResponse(context: Context, error: unknown, log: Log): Response {
  if (!(error instanceof DispatcherError) || error.code === 'internal') {
    log.error('http.failed', { method: context.req.method, path: context.req.path, error });
  }
  const shown = publicError(error);
  const status = httpStatus(shown.code) as ContentfulStatusCode;
  if (status === 401) context.header('WWW-Authenticate', 'Bearer');
  if (status === 503 || status === 429) context.header('Retry-After', '1');
  return context.json({ ok: false, ...shown }, status);
}
