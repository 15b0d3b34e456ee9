// What a refused or failed automation is told as, with every secret taken out of it.

import type { z } from 'zod';
import { checkPayload } from '../directives/payload-schema.js';
import { DispatcherError, publicError } from '../errors.js';
import { mapText } from '../map-text.js';
import type { JsonObject } from '../tasks/outcome.js';
import { modulePath } from './home.js';

export function checkParams(name: string, schema: JsonObject, params: JsonObject): void {
  try {
    checkPayload(schema, params);
  } catch (error) {
    if (!(error instanceof DispatcherError) || error.code !== 'invalid_payload') throw error;
    const faults = (error.details?.faults ?? []) as { path: string; message: string }[];
    throw new DispatcherError(
      'invalid_input',
      `${name} cannot take these params: ${faults.map(({ path, message }) => `${path} ${message}`).join('; ')}.`,
      { hint: 'list_automations shows the schema of its params.', details: { faults } },
    );
  }
}

export function invalidParams(name: string, error: z.ZodError): DispatcherError {
  const faults = error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  return new DispatcherError(
    'invalid_input',
    `${name} cannot take these params: ${faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}.`,
    { hint: 'list_automations shows the schema of its params.', details: { faults } },
  );
}

export const notFound = (name: string, names: string[]): DispatcherError =>
  new DispatcherError('automation_not_found', `There is no automation ${JSON.stringify(name)}.`, {
    hint: `There are ${names.join(', ')}.`,
  });

export const untrusted = (name: string): DispatcherError =>
  new DispatcherError('not_allowed', `The automation ${name} is not trusted as it is now, and was not loaded.`, {
    hint: `An operator looks at it and trusts it: doe trust ${name}`,
  });

export const broken = (name: string, why: string): DispatcherError =>
  new DispatcherError('automation_failed', `The automation ${name} cannot be loaded: ${why}.`, {
    hint: `Correct ${modulePath(name)}, then trust it anew: doe trust ${name}`,
  });

export const notNow = (when: string): DispatcherError =>
  new DispatcherError('not_allowed', `An automation calls no integration ${when}.`);

/** What failed, with every secret taken out of it. */
export function publicFailure(name: string, error: unknown, redact: (text: string) => string): DispatcherError {
  const known =
    error instanceof DispatcherError
      ? error
      : new DispatcherError('automation_failed', `The automation ${name} failed: ${(error as Error).message}.`, {
          cause: error,
        });
  const { code, error: message, hint, details } = publicError(known);
  return new DispatcherError(code, redact(message), {
    ...(hint === undefined ? {} : { hint: redact(hint) }),
    ...(details === undefined ? {} : { details: mapText(details as JsonObject, redact) as JsonObject }),
    cause: known.cause ?? error,
  });
}
