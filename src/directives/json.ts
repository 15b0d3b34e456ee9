// Strict JSON: duplicate keys and what RFC 8785 cannot express are refused, so that what is hashed is what was meant.
import { parse as parseAst } from '@humanwhocodes/momoa';
import canonicalize from 'canonicalize';
import { DispatcherError } from '../errors.js';
import type { JsonValue } from '../tasks/outcome.js';

interface AstNode {
  type: string;
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
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new DispatcherError('invalid_input', `${what} is no JSON: ${(error as Error).message}.`, {
      hint: 'Send one JSON value.',
      cause: error,
    });
  }
  refuseDoubleKeys(parseAst(text, { mode: 'json' }) as unknown as AstNode, '', what);
  return value;
}

function refuseDoubleKeys(node: AstNode, path: string, what: string): void {
  if (node.body !== undefined) refuseDoubleKeys(node.body, path, what);
  for (const [index, element] of (node.elements ?? []).entries())
    refuseDoubleKeys(element.value, `${path}/${index}`, what);
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
    refuseDoubleKeys(value, `${path}/${key}`, what);
  }
}

/**
 * The canonical form (RFC 8785).
 * @throws DispatcherError `invalid_input` for text that is not well-formed Unicode
 */
export function canonicalJson(value: JsonValue): string {
  const text = canonicalize(value);
  // A lone surrogate is written as \udXXX by JSON.stringify: RFC 8785 section 3.2.2.2 wants an error instead.
  if (text === undefined || /(?<!\\)(\\\\)*\\ud[89a-f]/i.test(text) || /\p{Surrogate}/u.test(text)) {
    throw new DispatcherError(
      'invalid_input',
      'The JSON holds text that is not well-formed Unicode (a lone surrogate).',
      { hint: 'Send valid Unicode text.' },
    );
  }
  return text;
}
