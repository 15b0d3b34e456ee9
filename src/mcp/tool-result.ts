// What a model gets to read: one JSON value, as structuredContent and as the same text, safe and of bearable length.
import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/server';
import { publicError } from '../errors.js';
import { mapText } from '../map-text.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { plainText } from './untrusted.js';

/** Beyond this a result crowds out the conversation; the rest is a resource or another call away. */
export const resultLimit = 6_000;
const shortestCut = 300;

export interface ResultOptions {
  redact: (text: string) => string;
  /** How to get what did not fit, as a sentence. */
  more?: string;
  links?: ContentBlock[];
  /** Of a list that is too long the beginning stays; else logs keep their end. */
  fromStart?: boolean;
}

export function toolResult(
  value: object,
  { redact, more, links = [], fromStart = false }: ResultOptions,
): CallToolResult {
  const { fitted, text } = withinLimit(
    safe(value, redact),
    more ?? 'Ask for less, or read the resource that is linked.',
    fromStart,
  );
  return { structuredContent: fitted, content: [{ type: 'text', text }, ...links] };
}

/** As text alone: clients of the 2025 era hold structuredContent against the tool's output schema, errors included. */
export function toolError(error: unknown, { redact }: Pick<ResultOptions, 'redact'>): CallToolResult {
  const { text } = withinLimit(safe({ ok: false, ...publicError(error) }, redact), 'The message was long.', true);
  return { isError: true, content: [{ type: 'text', text }] };
}

const safe = (value: object, redact: ResultOptions['redact']): JsonObject =>
  mapText(value as JsonObject, (text) => redact(plainText(text))) as JsonObject;

/**
 * The value within `resultLimit` characters of JSON, and that JSON: the longest texts are cut, then the longest lists lose
 * their far end, then objects become the beginning of their own text.
 */
function withinLimit(value: JsonObject, more: string, fromStart: boolean): { fitted: JsonObject; text: string } {
  const whole = JSON.stringify(value);
  if (whole.length <= resultLimit) return { fitted: value, text: whole };
  const fitted = structuredClone({ ...value, truncated: more });
  let text = JSON.stringify(fitted);
  while (text.length > resultLimit) {
    const excess = text.length - resultLimit;
    if (!shortenText(fitted, excess) && !shortenList(fitted, fromStart) && !foldObject(fitted, excess)) break;
    text = JSON.stringify(fitted);
  }
  return { fitted, text };
}

const lengthOf = (value: JsonValue): number => JSON.stringify(value).length;

type Holder = { [key: string | number]: JsonValue };
interface Place {
  holder: Holder;
  key: string | number;
}

function* places(value: JsonValue): Generator<Place> {
  if (value === null || typeof value !== 'object') return;
  for (const key of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    const holder = value as Holder;
    yield { holder, key };
    yield* places(holder[key] as JsonValue);
  }
}

const longest = (value: JsonObject, size: (item: JsonValue) => number): Place | undefined => {
  let best: Place | undefined;
  let bestSize = 0;
  for (const place of places(value)) {
    const found = size(place.holder[place.key] as JsonValue);
    if (found > bestSize) [best, bestSize] = [place, found];
  }
  return best;
};

function shortenText(value: JsonObject, excess: number): boolean {
  const place = longest(value, (item) => (typeof item === 'string' && item.length > shortestCut ? item.length : 0));
  if (place === undefined) return false;
  const text = place.holder[place.key] as string;
  const kept = Math.max(shortestCut - 60, text.length - excess - 60);
  place.holder[place.key] = cut(text, kept);
  return true;
}

/** Never between the halves of a character. */
const cut = (text: string, kept: number): string =>
  `${text.slice(0, kept).replace(/[\ud800-\udbff]$/, '')}… [${text.length - kept} more characters]`;

/** The smallest object that is large enough, and not one of the answer's own fields if another helps: a client holds those against the tool's schema. */
function foldObject(value: JsonObject, excess: number): boolean {
  const isObject = (item: JsonValue) => item !== null && typeof item === 'object' && !Array.isArray(item);
  const sized = [...places(value)]
    .filter(({ holder, key }) => isObject(holder[key] as JsonValue))
    .map((place) => ({ ...place, size: lengthOf(place.holder[place.key] as JsonValue) }))
    .filter(({ size }) => size > shortestCut)
    .sort((one, other) => one.size - other.size);
  const inner = sized.filter(({ holder }) => holder !== (value as Holder));
  const fitting = inner.length > 0 ? inner : sized;
  const place = fitting.find(({ size }) => size > excess + shortestCut) ?? fitting.at(-1);
  if (place === undefined) return false;
  place.holder[place.key] = cut(JSON.stringify(place.holder[place.key]), shortestCut - 60);
  return true;
}

/** Logs are read from their end unless somebody reads on from a line, other lists from their beginning. */
function shortenList(value: JsonObject, fromStart: boolean): boolean {
  const place = longest(value, (item) => (Array.isArray(item) && item.length > 1 ? lengthOf(item) : 0));
  if (place === undefined) return false;
  const list = place.holder[place.key] as JsonValue[];
  const kept = Math.max(1, Math.floor(list.length * 0.8));
  place.holder[place.key] = place.key === 'logs' && !fromStart ? list.slice(-kept) : list.slice(0, kept);
  return true;
}
