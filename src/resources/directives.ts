// directive://{id}: a directive's whole text as the disk has it, or one kept revision of it.

import type { Resource } from '@modelcontextprotocol/server';
import { isoTime } from '../clock.js';
import type { Directive } from '../directives/index.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { type ResourceKind, startingWith } from './kind.js';
import { directiveOf } from './reader.js';

const read: ResourceKind['read'] = async (dispatcher, { id = '', sha256 }) => {
  const { content } = await directiveOf(dispatcher, { id, ...(sha256 === undefined ? {} : { sha256 }) });
  return { mimeType: 'text/markdown', text: content };
};

const ids = async ({ directives }: Dispatcher, typed: string): Promise<string[]> =>
  startingWith(
    typed,
    (await directives.list()).map(({ id }) => id),
  );

const entry = ({ id, title, content, modifiedAt, kind }: Directive): Resource => ({
  uri: `directive://${encodeURIComponent(id)}`,
  name: id,
  title,
  description: kind === 'broken' ? 'Broken; list_directives says why.' : `A ${kind} directive.`,
  mimeType: 'text/markdown',
  size: Buffer.byteLength(content),
  annotations: { lastModified: isoTime(modifiedAt) },
});

export const directives: ResourceKind = {
  name: 'directive',
  template: 'directive://{id}',
  title: 'Directive',
  description: 'A written procedure: front matter and text.',
  mimeType: 'text/markdown',
  listed: {
    perEntry: 1,
    async page({ directives: known }, { cursor, limit }) {
      // In the order in which they are listed, so that one that went meanwhile takes no other along.
      const rest = (await known.list()).filter(({ id }) => cursor === null || id.localeCompare(cursor, 'en') > 0);
      const shown = rest.slice(0, limit);
      return { resources: shown.map(entry), next: rest.length > limit ? (shown.at(-1)?.id ?? null) : null };
    },
  },
  read,
  complete: { id: ids },
};

/** A revision never changes under its hash. */
export const revisions: ResourceKind = {
  name: 'directive_revision',
  template: 'directive://{id}{?sha256}',
  title: 'Directive revision',
  description: 'One exact content of a directive, by its sha256.',
  mimeType: 'text/markdown',
  read,
  complete: {
    id: ids,
    sha256: async ({ directives: known }, typed, { id }) => {
      const directive = id === undefined ? null : await known.byId(id);
      return directive === null ? [] : startingWith(typed, [directive.sha256]);
    },
  },
};
