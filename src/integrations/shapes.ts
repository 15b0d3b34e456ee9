// What is asked of any service's answer before it is passed on.
import { z } from 'zod';
import type { JsonObject } from '../tasks/outcome.js';

/** An object whose fields are the user's own: what JSON.parse made is passed on as it is. */
export const anyObject = z.custom<JsonObject>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  'must be an object',
);
