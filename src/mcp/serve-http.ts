// MCP over HTTP: not there yet.
import type { McpHttp } from '../http-bridge/index.js';
import type { Dispatcher } from '../tools/dispatcher.js';
export const createMcpHttp = (_dispatcher: Dispatcher): McpHttp => ({
  fetch: async () => new Response(null, { status: 501 }),
  close: async () => {},
});
