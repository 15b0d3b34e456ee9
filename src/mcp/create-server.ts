// The one factory behind every transport and both protocol eras. A server instance keeps nothing.
import { McpServer } from '@modelcontextprotocol/server';
import { addResources } from '../resources/index.js';
import { asProtocolErrors } from '../resources/protocol-errors.js';
import { version } from '../version.js';
import type { Backend, Connection } from './connection.js';
import { serverIcon } from './icons.js';
import { instructions } from './instructions.js';
import { addPrompts } from './prompts.js';
import { addTools } from './tools.js';
import { mapJsonText, plainText } from './untrusted.js';

const minute = 60_000;

/** @param waitMs how long a call of the 2025 era waits for its form */
export function createMcpServer(backend: Backend, connection: Connection, waitMs?: number): McpServer {
  const server = new McpServer(
    { name: 'doe-dispatcher', title: 'DOE Dispatcher', version, icons: [serverIcon] },
    {
      instructions,
      capabilities: { tools: {}, prompts: {}, resources: { subscribe: true, listChanged: true }, completions: {} },
      // What is fixed for a version may be kept; what the disk and the queue say is true only for the moment.
      cacheHints: {
        'tools/list': { ttlMs: 10 * minute, cacheScope: 'public' },
        'prompts/list': { ttlMs: 10 * minute, cacheScope: 'public' },
        'resources/templates/list': { ttlMs: 10 * minute, cacheScope: 'public' },
        'server/discover': { ttlMs: 10 * minute, cacheScope: 'public' },
      },
      inputRequired: { legacyShim: false },
    },
  );
  addTools(server, { backend, connection, waitMs });
  // Where there is no dispatcher, whoever reads, completes or wants a prompt is told what to do, as a tool's caller is.
  const forHosts: Backend = () => asProtocolErrors(backend);
  addResources(server, {
    backend: forHosts,
    clean({ redact }, text, mimeType) {
      const clean = (one: string) => redact(plainText(one));
      return mimeType === 'application/json' ? mapJsonText(text, clean) : clean(text);
    },
  });
  addPrompts(server, forHosts);
  return server;
}
