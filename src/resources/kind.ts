// The shape of one kind of resource: how it is listed page by page, read, and completed.
import type { Resource, TextResourceContents, Variables } from '@modelcontextprotocol/server';
import { DispatcherError } from '../errors.js';
import type { Dispatcher } from '../tools/dispatcher.js';

export interface ResourcePage {
  resources: Resource[];
  /** Of this kind's own list; null at its end. */
  next: string | null;
}

export interface ResourceKind {
  name: string;
  /** RFC 6570. */
  template: string;
  title: string;
  description: string;
  mimeType: string;
  /** Absent where the address of each is told elsewhere. */
  listed?: {
    /** How many resources one entry usually has: an entry is not divided between pages. */
    perEntry: number;
    page(dispatcher: Dispatcher, from: { cursor: string | null; limit: number }): Promise<ResourcePage>;
  };
  /** @throws DispatcherError where there is none */
  read(dispatcher: Dispatcher, variables: Record<string, string>): Promise<Omit<TextResourceContents, 'uri'>>;
  /** Values for each variable that begin with what was typed. */
  complete: Record<
    string,
    (dispatcher: Dispatcher, typed: string, others: Record<string, string>) => Promise<string[]>
  >;
}

export interface ResourcesOptions {
  backend: () => Promise<Dispatcher>;
  /** What text goes through on its way out. */
  clean: (dispatcher: Dispatcher, text: string, mimeType?: string | undefined) => string;
}

/**
 * A template's variables as plain texts.
 * @throws DispatcherError `invalid_input` for an escape that is none (RFC 3986 section 2.1)
 */
export const textVariables = (variables: Variables): Record<string, string> =>
  Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      unescaped(String(Array.isArray(value) ? value[0] : value)),
    ]),
  );

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new DispatcherError('invalid_input', 'The address has a % that begins no escape.', {
      hint: 'Write % as %25, and other characters as the percent-encoding of their UTF-8.',
      cause,
    });
  }
}

export const startingWith = (typed: string, values: Iterable<string>): string[] =>
  [...new Set(values)].filter((value) => value.startsWith(typed)).slice(0, 100);
