// Directives, tasks and repair bundles as MCP resources: read, listed page by page, completed, and watched for changes.
import {
  type ListResourcesResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type Resource,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import { DispatcherError } from '../errors.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { anneals } from './anneals.js';
import { directives, revisions } from './directives.js';
import { type ResourceKind, type ResourcesOptions, textVariables } from './kind.js';
import { asProtocolErrors } from './protocol-errors.js';
import { addSkills } from './skills.js';
import { taskLogs, tasks } from './tasks.js';

// A revision's address also fits the shorter template, so it is matched first.
const kinds: readonly ResourceKind[] = [revisions, directives, tasks, taskLogs, anneals];
/** What is named by its hash does not change. */
const forEver = { ttlMs: 24 * 60 * 60_000, cacheScope: 'private' } as const;

const listed = kinds.flatMap(({ listed }) => listed ?? []);
const pageSize = 50;

export function addResources(server: McpServer, options: ResourcesOptions): void {
  const { backend, clean } = options;
  for (const kind of kinds) {
    const { name, template, title, description, mimeType, complete } = kind;
    const completers = Object.entries(complete).map(([variable, values]) => [
      variable,
      async (typed: string, context?: { arguments?: Record<string, string> }) =>
        values(await backend(), typed, context?.arguments ?? {}).catch(noneWhereRefused),
    ]);
    server.registerResource(
      name,
      new ResourceTemplate(template, { list: undefined, complete: Object.fromEntries(completers) }),
      { title, description, mimeType },
      async (uri, variables) =>
        asProtocolErrors(async () => {
          const dispatcher = await backend();
          const values = textVariables(variables);
          const contents = await kind.read(dispatcher, values);
          return {
            contents: [{ uri: uri.href, ...contents, text: clean(dispatcher, contents.text, contents.mimeType) }],
            ...(values.sha256 === undefined ? {} : forEver),
          };
        }, uri.href),
    );
  }
  addSkills(server, options);
  // Replaces the SDK's own, which has no pages.
  server.server.setRequestHandler('resources/list', async ({ params }) =>
    asProtocolErrors(async () => {
      const dispatcher = await backend();
      const page = await listPage(dispatcher, params?.cursor);
      return { ...page, resources: page.resources.map((one) => readable(one, (text) => clean(dispatcher, text))) };
    }),
  );
}

/** Of what is not there, nothing can be completed. */
const noneWhereRefused = (error: unknown): string[] => {
  if (error instanceof DispatcherError) return [];
  throw error;
};

/** Names and titles come from files and callers; the address is ours. */
const readable = (resource: Resource, clean: (text: string) => string): Resource => ({
  ...resource,
  name: clean(resource.name),
  ...(resource.title === undefined ? {} : { title: clean(resource.title) }),
  ...(resource.description === undefined ? {} : { description: clean(resource.description) }),
});

/** A page is filled across the kinds, as many clients ask for the first one alone; the cursor names the kind and its own cursor. */
async function listPage(dispatcher: Dispatcher, cursor: string | undefined): Promise<ListResourcesResult> {
  const resources: Resource[] = [];
  let at = readCursor(cursor);
  for (let kind = listed[at.index]; kind !== undefined; kind = listed[at.index]) {
    const limit = Math.floor((pageSize - resources.length) / kind.perEntry);
    if (limit < 1) return { resources, nextCursor: Buffer.from(JSON.stringify(at)).toString('base64url') };
    const page = await kind.page(dispatcher, { cursor: at.inner, limit });
    resources.push(...page.resources);
    at = page.next === null ? { index: at.index + 1, inner: null } : { index: at.index, inner: page.next };
  }
  return { resources };
}

function readCursor(cursor: string | undefined): { index: number; inner: string | null } {
  if (cursor === undefined) return { index: 0, inner: null };
  try {
    const { index, inner } = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as Record<string, unknown>;
    if (Number.isInteger(index) && (index as number) in listed && (inner === null || typeof inner === 'string'))
      return { index: index as number, inner };
  } catch {
    // Falls through to the one refusal below.
  }
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The cursor is not one that this server gave.');
}
