// Text from outside on its way to a model: without terminal sequences, invisible characters and secrets.
import type { JsonValue } from '../tasks/outcome.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
const escapeSequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;
/** Control characters but tab and newline, format characters (zero-width, bidirectional, tags), separators of lines and paragraphs. */
const invisible = /(?![\t\n])\p{Cc}|\p{Cf}|\p{Zl}|\p{Zp}/gu;

export const plainText = (text: string): string => text.replace(escapeSequences, '').replace(invisible, '');

/** Applies `change` to every string of a value, names of fields included. */
export function mapText(value: JsonValue | undefined, change: (text: string) => string): JsonValue {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapText(item, change));
  if (value === null || typeof value !== 'object') return value ?? null;
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  return Object.fromEntries(entries.map(([name, field]) => [change(name), mapText(field, change)]));
}

/** `change` for every string of a JSON text, whose escapes would hide what it looks for; text that is no JSON is changed as it is. */
export function mapJsonText(text: string, change: (text: string) => string): string {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return change(text);
  }
  return JSON.stringify(mapText(value, change), null, 2);
}

/** Text in which nothing is hidden from a person who reads it: what cannot be seen is written as \uXXXX. */
export const visibleText = (text: string): string =>
  text.replace(invisible, (character) =>
    [...character].map((one) => `\\u{${one.codePointAt(0)?.toString(16) ?? ''}}`).join(''),
  );
