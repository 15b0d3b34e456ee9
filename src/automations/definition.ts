// The shape of a built-in automation. A home's own module exports the same names.
import type { z } from 'zod';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';

export interface AutomationContext {
  /** Absolute path of the home. */
  home: string;
  /** Aborted at the time limit, or when the caller went away. */
  signal: AbortSignal;
  /** Calls an outside service; the server holds its key. */
  integration(name: string, action: string, input: JsonObject): Promise<JsonValue>;
}

/** What a built-in answers: one that writes names every path that it wrote, relative to the home. */
export type AutomationResult = JsonObject & { wrote?: string[] };

export interface Automation<Params extends z.ZodObject> {
  description: string;
  params: Params;
  run(params: z.output<Params>, context: AutomationContext): Promise<AutomationResult>;
  /** What `run` would do, without doing it. */
  plan?(params: z.output<Params>, context: AutomationContext): Promise<JsonObject>;
}
