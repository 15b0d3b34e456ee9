// "Did you mean": the nearest known name, where one is near enough to be what was meant.
import { closest, distance } from 'fastest-levenshtein';

export function nearest(name: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const candidate = closest(name, known);
  return distance(name, candidate) <= Math.max(2, name.length / 3) ? candidate : null;
}

/** ` Did you mean x?`, or nothing. */
export function orMeant(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === null || meant === name ? '' : ` Did you mean ${meant}?`;
}
