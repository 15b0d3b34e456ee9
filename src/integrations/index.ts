// The port to outside services. The server holds the keys; scripts and automations name an action.
import type { z } from 'zod';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';

export interface IntegrationAction {
  description: string;
  input: z.ZodObject;
  /** @throws DispatcherError `not_configured`, `unauthorized`, `rate_limited`, `not_found`, `upstream` */
  run(input: JsonObject, context: ActionContext): Promise<JsonValue>;
}

export interface ActionContext {
  /** Absolute path of the home: the only place from which an action may read files. */
  home: string;
  signal?: AbortSignal | undefined;
  /** Names this call to services that know idempotency keys. */
  idempotencyKey: string;
}

export interface Integration {
  name: string;
  title: string;
  actions: Record<string, IntegrationAction>;
  /** Whether its settings are there and the service accepts them; never a secret in `message`. */
  check(): Promise<{ configured: boolean; ok: boolean; message: string }>;
}

export interface Integrations {
  list(): Integration[];
  /**
   * Validates the input and calls the service.
   * @throws `integration_not_found`, `invalid_input`, and the action's own
   */
  call(name: string, action: string, input: JsonObject, context: ActionContext): Promise<JsonValue>;
}
