// What `check` answers: whether the settings are there, and whether the service takes them.
import { DispatcherError } from '../errors.js';

export interface CheckResult {
  configured: boolean;
  ok: boolean;
  message: string;
}

/** Runs `ask`, which answers one sentence; a refusal is an answer too. */
export async function checked(ask: () => Promise<string>): Promise<CheckResult> {
  try {
    return { configured: true, ok: true, message: await ask() };
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return { configured: error.code !== 'not_configured', ok: false, message: error.message };
  }
}
