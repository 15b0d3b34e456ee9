// What a model gets to read: one JSON value, as structuredContent and as the same text, safe and of bearable length.
import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/server';
import { publicError } from '../errors.js';
import { mapText } from '../map-text.js';
import type { Redact } from '../redact.js';
import type { JsonObject } from '../tasks/outcome.js';
import { type Cut, shorten } from './shorten.js';
import { plainText } from './untrusted.js';

/** Beyond this a result crowds out the conversation; the rest is a resource or another call away. */
export const resultLimit = 6_000;
/** Kept free for the words that say what is missing. */
const roomForWords = 700;
const namedCuts = 5;

export interface ResultOptions {
  redact: Redact;
  /** The way to what did not fit, and other fields that must say so; default a general word. */
  more?: ((cuts: Cut[]) => { way: string; fields?: Record<string, string> }) | undefined;
  links?: ContentBlock[];
  /** Of logs that are too long the beginning stays; else their end. */
  fromStart?: boolean;
}

export function toolResult(value: object, { redact, links = [], ...options }: ResultOptions): CallToolResult {
  const { fitted, text } = withinLimit(safe(value, redact), options);
  return { structuredContent: fitted, content: [{ type: 'text', text }, ...links] };
}

/** As text alone: clients of the 2025 era hold structuredContent against the tool's output schema, errors included. */
export function toolError(error: unknown, { redact }: Pick<ResultOptions, 'redact'>): CallToolResult {
  const { text } = withinLimit(safe({ ok: false, ...publicError(error) }, redact), {
    more: () => ({ way: 'The message was long.' }),
  });
  return { isError: true, content: [{ type: 'text', text }] };
}

/** How many entries of a list `toolResult` shows, which makes each as short as it gets before it leaves one out. */
export function entriesThatFit(value: object, list: string, { redact, ...options }: ResultOptions): number {
  const { fitted } = withinLimit(safe(value, redact), options);
  return (fitted[list] as unknown[]).length;
}

/** Without what cannot be seen and without secrets; before anything is cut, since half a secret is not known as one. */
export const safeText = (text: string, redact: Redact): string => redact(plainText(text));

const safe = (value: object, redact: Redact): JsonObject =>
  mapText(value as JsonObject, (text) => safeText(text, redact)) as JsonObject;

const anyWay: NonNullable<ResultOptions['more']> = () => ({
  way: 'Ask for less, or read the resource that is linked.',
});

/** The value within `resultLimit` characters of JSON, with what is not whole named in `truncated`; and that JSON. */
function withinLimit(
  value: JsonObject,
  { more = anyWay, fromStart = false }: Pick<ResultOptions, 'more' | 'fromStart'>,
): { fitted: JsonObject; text: string } {
  const whole = JSON.stringify(value);
  if (whole.length <= resultLimit) return { fitted: value, text: whole };
  for (let room = resultLimit - roomForWords; ; room -= 500) {
    const { fitted: shorter, cuts } = shorten(value, room, (path) => path === 'logs' && !fromStart);
    const { way, fields = {} } = more(cuts);
    const said = [value.truncated, notWhole(cuts), way];
    const fitted = { ...shorter, ...fields, truncated: said.filter(Boolean).join(' ') };
    const text = JSON.stringify(fitted);
    if (text.length <= resultLimit || room < 500) return { fitted, text };
  }
}

/** What `more` does not name itself. */
function notWhole(cuts: Cut[]): string {
  const named = cuts
    .filter(({ path }) => !path.endsWith('content'))
    .map(({ path, shown, of }) => (shown === null || path.includes('[]') ? path : `${path} (${shown} of ${of})`));
  return named.length === 0 ? '' : `Not whole: ${named.slice(0, namedCuts).join(', ')}.`;
}
