// A JSON value made shorter without a change of shape: each field of an answer stays, and stays of its type. Left out are
// entries of lists, and parts of what callers, scripts and services put in; what is not whole is named.
import type { JsonObject, JsonValue } from '../tasks/outcome.js';

/** Something that is not shown whole. */
export interface Cut {
  /** Such as `task.payload`; `tasks[].result` for entries of a list. */
  path: string;
  /** How many of its fields, entries or characters are left; null where only something inside is shorter. */
  shown: number | null;
  of: number;
}

/** Fields whose inside is in nobody's schema. */
const anybodys = new Set(['payload', 'result', 'params', 'payload_schema', 'details']);
/** What a long field keeps at least, as characters of JSON. */
const least = 120;
/** Entries of a list become as short as this before one of them is left out. */
const leastEntry = 300;

/**
 * @param room for the value's JSON; exceeded only where fields that must stay need more
 * @param keepsEnd whether the list at a path loses its beginning instead of its end
 */
export function shorten(
  value: JsonObject,
  room: number,
  keepsEnd: (path: string) => boolean,
): { fitted: JsonObject; cuts: Cut[] } {
  const cuts = new Map<string, Cut>();

  const shorter = (item: JsonValue, limit: number, path: string): JsonValue => {
    const name = path.slice(path.lastIndexOf('.') + 1);
    if (typeof item === 'string' && name === 'content') return part(item, limit, path);
    if (typeof item === 'string' || anybodys.has(name)) return loose(item, limit, path);
    if (Array.isArray(item)) return entries(item, limit, path);
    return item !== null && typeof item === 'object' ? fields(item, limit, path) : item;
  };

  const loose = (item: JsonValue, limit: number, path: string): JsonValue => {
    const left = shortenAny(item, limit);
    const [shown, of] = [countOf(left), countOf(item)];
    cuts.set(path, { path, shown: shown === of || typeof item === 'string' ? null : shown, of });
    return left;
  };

  /** A directive is read on from where its part ends: nothing may stand in it that is not its own. */
  const part = (item: string, limit: number, path: string): string => {
    const left = longestThatFits(item, limit, (kept) => kept);
    cuts.set(path, { path, shown: left.length, of: item.length });
    return left;
  };

  const fields = (item: JsonObject, limit: number, path: string): JsonObject => {
    const values = Object.values(item).map(lengthOf);
    const cap = fairShare(values, limit - (lengthOf(item) - sum(values)));
    return Object.fromEntries(
      Object.entries(item).map(([name, one]) => [
        name,
        lengthOf(one) <= cap ? one : shorter(one, Math.max(cap, least), path === '' ? name : `${path}.${name}`),
      ]),
    );
  };

  const entries = (items: JsonValue[], limit: number, path: string): JsonValue[] => {
    const cap = Math.max(fairShare(items.map(lengthOf), limit - items.length - 1), leastEntry);
    const all = items.map((one) => (lengthOf(one) <= cap ? one : shorter(one, cap, `${path}[]`)));
    const end = keepsEnd(path);
    const left = firstThatFit(end ? all.reverse() : all, limit, (one) => lengthOf(one), 1);
    if (left.length < items.length) cuts.set(path, { path, shown: left.length, of: items.length });
    return end ? left.reverse() : left;
  };

  return { fitted: fields(value, room, ''), cuts: [...cuts.values()] };
}

const lengthOf = (value: JsonValue): number => JSON.stringify(value).length;
const sum = (numbers: number[]): number => numbers.reduce((all, one) => all + one, 0);

const countOf = (value: JsonValue): number =>
  value !== null && typeof value === 'object' ? Object.keys(value).length : lengthOf(value);

/** How long each may be where those that need less leave theirs to the others; infinite where all fit. */
function fairShare(lengths: number[], room: number): number {
  let left = room;
  for (const [index, length] of lengths.toSorted((one, other) => one - other).entries()) {
    const share = Math.floor(left / (lengths.length - index));
    if (length > share) return share;
    left -= length;
  }
  return Number.POSITIVE_INFINITY;
}

/** Of the same type, its JSON at most so long; a number, or an empty list, is as short as it gets. */
function shortenAny(value: JsonValue, room: number): JsonValue {
  if (typeof value === 'string')
    return longestThatFits(value, room, (kept) => `${kept}… [${value.length - kept.length} more characters]`);
  if (value === null || typeof value !== 'object') return value;
  const parts = Object.entries(value);
  const named = Array.isArray(value) ? () => 1 : ([name]: [string, JsonValue]) => lengthOf(name) + 2;
  const cap = fairShare(
    parts.map(([, one]) => lengthOf(one)),
    room - 2 - sum(parts.map(named)),
  );
  const all = parts.map(([name, one]): [string, JsonValue] => [
    name,
    lengthOf(one) <= cap ? one : shortenAny(one, Math.max(cap, least)),
  ]);
  const left = firstThatFit(all, room, ([name, one]) => lengthOf(one) + named([name, one]) - 1, 0);
  return Array.isArray(value) ? left.map(([, one]) => one) : Object.fromEntries(left);
}

function firstThatFit<T>(items: T[], room: number, length: (item: T) => number, atLeast: number): T[] {
  let used = 1;
  const end = items.findIndex((item) => {
    used += length(item) + 1;
    return used > room;
  });
  return end === -1 ? items : items.slice(0, Math.max(end, atLeast));
}

/** The longest beginning that fits as `worded`, and never ends between the halves of a character. */
function longestThatFits(text: string, room: number, worded: (kept: string) => string): string {
  const beginning = (end: number) => worded(text.slice(0, end).replace(/[\ud800-\udbff]$/, ''));
  let [fits, tooLong] = [0, Math.min(text.length, Math.max(room, 0)) + 1];
  while (tooLong - fits > 1) {
    const middle = (fits + tooLong) >> 1;
    if (lengthOf(beginning(middle)) <= room) fits = middle;
    else tooLong = middle;
  }
  return beginning(fits);
}
