// What one check of `doe doctor` comes to.

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
