// Strict JSON: duplicate keys and what RFC 8785 cannot express are refused, so that what is hashed is what was meant.
import { parse as parseAst } from '@humanwhocodes/momoa';
import canonicalize from 'canonicalize';
import { DispatcherError } from '../errors.js';
import type { JsonValue } from '../tasks/outcome.js';

/** Deeper values would overflow the stack of whoever walks them. */
export const maxDepth = 100;

/** How deep the brackets of a JSON text go; those in strings aside. */
export function depthOf(text: string): number {
  let deepest = 0;
  let depth = 0;
  let inString = false;
  // Character by character: a pattern for strings would begin anew at every quote of a text that never closes one.
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '"') inString = !inString;
    else if (inString) at += character === '\\' ? 1 : 0;
    else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
    else if (character === ']' || character === '}') depth -= 1;
  }
  return deepest;
}

interface AstNode {
  type: string;
  value?: unknown;
  loc: { start: { offset: number }; end: { offset: number } };
  body?: AstNode;
  members?: { name: { value?: string; name?: string }; value: AstNode }[];
  elements?: { value: AstNode }[];
}

/**
 * Parses a JSON text (RFC 8259).
 * @param what names the text in messages
 * @throws DispatcherError `invalid_input`
 */
export function parseJsonStrict(text: string, what = 'The body'): JsonValue {
  let value: JsonValue;
  if (depthOf(text) > maxDepth)
    throw new DispatcherError('invalid_input', `${what} is nested more than ${maxDepth} levels deep.`, {
      hint: 'Send flatter JSON.',
    });
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new DispatcherError('invalid_input', `${what} is no JSON: ${(error as Error).message}.`, {
      hint: 'Send one JSON value.',
      cause: error,
    });
  }
  refuseUnfit(parseAst(text, { mode: 'json' }) as unknown as AstNode, '', { text, what });
  return value;
}

/** How a number differs from what it would be passed on as; null where it does not, or is a decimal (RFC 8785, section 3.2.2.3). */
function lossOf(node: AstNode, text: string): string | null {
  if (typeof node.value !== 'number') return null;
  if (!Number.isFinite(node.value)) return 'a number beyond every double';
  if (Number.isSafeInteger(node.value)) return null;
  const literal = text.slice(node.loc.start.offset, node.loc.end.offset);
  const written = digitsOf(node.value);
  return !/^-?\d+$/.test(literal) || literal === written ? null : `an integer that would be passed on as ${written}`;
}

/** A large whole number as its canonical form writes it, without an exponent. */
function digitsOf(value: number): string {
  const [mantissa = '', exponent = '0'] = String(value).split('e+');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return whole + fraction.padEnd(Number(exponent), '0');
}

function refuseUnfit(node: AstNode, path: string, source: { text: string; what: string }): void {
  const { text, what } = source;
  if (node.body !== undefined) refuseUnfit(node.body, path, source);
  const loss = lossOf(node, text);
  if (loss !== null) {
    throw new DispatcherError('invalid_input', `${what} has ${loss} at ${path === '' ? 'its root' : path}.`, {
      hint: 'Send it as a text.',
    });
  }
  for (const [index, element] of (node.elements ?? []).entries())
    refuseUnfit(element.value, `${path}/${index}`, source);
  const seen = new Set<string>();
  for (const { name, value } of node.members ?? []) {
    const key = name.value ?? name.name ?? '';
    if (seen.has(key) || key === '__proto__') {
      throw new DispatcherError(
        'invalid_input',
        `${what} has the key ${JSON.stringify(key)} ${key === '__proto__' ? '' : 'twice '}at ${path === '' ? 'its root' : path}.`,
        {
          hint: 'Give every key once.',
        },
      );
    }
    seen.add(key);
    refuseUnfit(value, `${path}/${key}`, source);
  }
}

/**
 * The canonical form (RFC 8785).
 * @throws DispatcherError `invalid_input` for text that is not well-formed Unicode (section 3.2.2.2)
 */
export function canonicalJson(value: JsonValue): string {
  const text = hasLoneSurrogate(JSON.stringify(value)) ? undefined : canonicalize(value);
  if (text !== undefined) return text;
  throw new DispatcherError(
    'invalid_input',
    'The JSON holds text that is not well-formed Unicode (a lone surrogate).',
    { hint: 'Send valid Unicode text.' },
  );
}

/** JSON.stringify writes a lone surrogate as \\udXXX, and nothing else so. */
const hasLoneSurrogate = (text: string): boolean => /(?<!\\)(\\\\)*\\ud[89a-f]/.test(text);
