// The port to automations: small functions that run at once, without queue or ack.
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import type { Caller } from '../tasks/task.js';

export interface AutomationInfo {
  name: string;
  description: string;
  /** JSON Schema of `params`; null where the module could not be read. */
  params: JsonObject | null;
  source: 'builtin' | 'home';
  /** A home's own automation is loaded only when an operator trusted its exact content. */
  trusted: boolean;
  /** Whether it has a `plan` for dry runs. */
  canPlan: boolean;
  error: string | null;
}

/** An automation's module as text, for showing what trust would be given to. */
export interface AutomationSource {
  name: string;
  source: 'builtin' | 'home';
  sha256: string;
  text: string;
}

export interface AutomationRunner {
  list(): Promise<AutomationInfo[]>;
  sources(): Promise<AutomationSource[]>;
  /**
   * Validates `params` and runs the automation for at most 30 s; `dryRun` answers its plan, or echoes the checked call.
   * @throws `automation_not_found`, `invalid_input`, `not_allowed` (untrusted), `automation_failed`, `automation_timeout`
   */
  run(
    name: string,
    params: JsonObject,
    options: { dryRun: boolean; caller: Caller; signal?: AbortSignal | undefined },
  ): Promise<JsonValue>;
  close(): Promise<void>;
}
