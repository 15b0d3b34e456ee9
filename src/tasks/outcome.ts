// What a run came to. A failed script is an Outcome, never an exception.
import { z } from 'zod';

export const outcomes = ['succeeded', 'failed', 'timed_out', 'cancelled', 'interrupted'] as const;
export type Outcome = (typeof outcomes)[number];

export const classifications = ['transient', 'infrastructure', 'script', 'unknown'] as const;
export type Classification = (typeof classifications)[number];

export const outcomeSchema = z.enum(outcomes);
export const classificationSchema = z.enum(classifications);

/** JSON as scripts give it back and payloads carry it. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

/** One finished run, before anyone judges what it means for its task. */
export interface RunReport {
  outcome: Outcome;
  exitCode: number | null;
  signal: string | null;
  /** The value of `DOE_RESULT_FILE`; undefined where the script wrote none. */
  result: JsonValue | undefined;
  /** A short name of what went wrong, such as `exit_code`, `timeout`, `result_too_large`; null after a success. */
  errorType: string | null;
  /** One sentence for people; null after a success. */
  message: string | null;
  /** The last part of stderr (or of stdout where stderr is empty), redacted, at most 4 KiB. */
  errorTail: string;
}
