// directive://{id}: a directive's whole text as the disk has it, or one kept revision of it.
import { isoTime } from '../clock.js';
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

export const directives: ResourceKind = {
  name: 'directive',
  template: 'directive://{id}',
  title: 'Directive',
  description: 'A written procedure: front matter and text.',
  mimeType: 'text/markdown',
  async list({ directives: known }) {
    const resources = (await known.list()).map(({ id, title, content, modifiedAt, kind }) => ({
      uri: `directive://${encodeURIComponent(id)}`,
      name: id,
      title,
      description: kind === 'broken' ? 'Broken; list_directives says why.' : `A ${kind} directive.`,
      mimeType: 'text/markdown',
      size: Buffer.byteLength(content),
      annotations: { lastModified: isoTime(modifiedAt) },
    }));
    return { resources, next: null };
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
