// The one error that verbs throw. Doors translate it by the table below and add nothing of their own.

/** What a refused token is called, in the order in which `validate-ack` checks. */
export const tokenErrorCodes = [
  'token_missing',
  'token_malformed',
  'token_signature',
  'token_expired',
  'token_unknown',
  'token_revoked',
  'token_spent',
  'token_task_mismatch',
  'token_run_mismatch',
  'directive_changed',
  'payload_changed',
  'script_changed',
] as const;
export type TokenErrorCode = (typeof tokenErrorCodes)[number];

/** Exit codes of `doe`; the codes stand in the documentation of the command line. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, notAllowed: 4 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const table = {
  invalid_input: [400, 2],
  invalid_payload: [400, 2],
  unauthorized: [401, 4],
  not_allowed: [403, 4],
  passkey_refused: [403, 4],
  host_not_allowed: [403, 4],
  origin_not_allowed: [403, 4],
  directive_broken: [409, 1],
  directive_not_found: [404, 2],
  directive_is_reference: [400, 2],
  task_not_found: [404, 2],
  anneal_not_found: [404, 2],
  automation_not_found: [404, 2],
  integration_not_found: [404, 2],
  not_found: [404, 2],
  method_not_allowed: [405, 2],
  task_exists: [409, 1],
  file_exists: [409, 1],
  wrong_state: [409, 1],
  changed_since_shown: [409, 1],
  nothing_changed: [409, 1],
  script_missing: [409, 1],
  too_much_covered: [409, 1],
  too_large: [413, 2],
  rate_limited: [429, 1],
  config_invalid: [500, 2],
  secret_mismatch: [500, 2],
  secret_weak: [500, 2],
  port_in_use: [500, 1],
  home_not_found: [500, 2],
  home_not_readable: [500, 1],
  home_not_writable: [500, 1],
  database_newer: [500, 1],
  database_broken: [500, 1],
  native_binding_missing: [500, 1],
  interpreter_missing: [409, 1],
  bridge_unreachable: [503, 3],
  bridge_not_ours: [503, 3],
  no_terminal: [403, 4],
  store_busy: [503, 1],
  store_unavailable: [503, 1],
  shutting_down: [503, 1],
  automation_failed: [500, 1],
  automation_timeout: [504, 1],
  not_configured: [503, 1],
  upstream: [502, 1],
  internal: [500, 1],
} as const satisfies Record<string, readonly [number, ExitCode]>;

export type ErrorCode = keyof typeof table | TokenErrorCode;

/** Every code, those of tokens last. */
export const errorCodes: readonly ErrorCode[] = [...(Object.keys(table) as (keyof typeof table)[]), ...tokenErrorCodes];

const isTokenCode = (code: ErrorCode): code is TokenErrorCode => (tokenErrorCodes as readonly string[]).includes(code);

/** Whether a text that came from outside is one of our codes. */
export const isErrorCode = (text: unknown): text is ErrorCode =>
  typeof text === 'string' && (errorCodes as readonly string[]).includes(text);

/** The HTTP status of a code. Token refusals are all 401. */
export const httpStatus = (code: ErrorCode): number => (isTokenCode(code) ? 401 : table[code][0]);

/** The exit code of `doe` for a code. */
export const exitCode = (code: ErrorCode): ExitCode => (isTokenCode(code) ? exitCodes.notAllowed : table[code][1]);

export interface ErrorOptions {
  /** What the caller can do next, as a sentence or an exact command. */
  hint?: string;
  /** Machine-readable particulars; never secrets. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** A refusal or a fault with a name. `message` says what failed, why, and what is allowed. */
export class DispatcherError extends Error {
  override readonly name = 'DispatcherError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    // It says where the caller stands, not where the code does: a stack trace, which nobody reads, costs more than all else of
    // a refusal, and strangers cause refusals at will. A cause keeps its own.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    Error.stackTraceLimit = stackTraceLimit;
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
  }
}

export interface PublicError {
  code: ErrorCode;
  error: string;
  hint?: string;
  details?: Record<string, unknown>;
}

/** What a caller sees of any thrown value: a `DispatcherError` as it is, everything else as `internal`. */
export function publicError(error: unknown): PublicError {
  if (!(error instanceof DispatcherError)) {
    return { code: 'internal', error: 'Something failed inside the dispatcher; its log on stderr has the details.' };
  }
  return {
    code: error.code,
    error: error.message,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.details === undefined ? {} : { details: error.details }),
  };
}
