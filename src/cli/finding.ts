// What one check of `doe doctor` comes to.
import { DispatcherError } from '../errors.js';

export interface Finding {
  check: string;
  status: 'ok' | 'warning' | 'wrong';
  found: string;
  /** What to do; null where nothing is to be done. */
  mend: string | null;
}

export const ok = (check: string, found: string): Finding => ({ check, status: 'ok', found, mend: null });
export const warning = (check: string, found: string, mend: string): Finding => ({
  check,
  status: 'warning',
  found,
  mend,
});
export const wrong = (check: string, found: string, mend: string): Finding => ({ check, status: 'wrong', found, mend });

/** A refusal as a finding, with its hint as the mend; a fault of ours goes on. */
export function refused(check: string, error: unknown): Finding {
  if (error instanceof DispatcherError) return wrong(check, error.message, error.hint ?? '');
  throw error;
}
