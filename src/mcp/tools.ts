// The operations as MCP tools. How a call is carried out is loaded by the first one: a client that only looks does not wait for it.
import type { McpServer, StandardSchemaWithJSON } from '@modelcontextprotocol/server';
import { once } from '../once.js';
import type { CallTool, ToolCallsOptions } from './call-tool.js';
import { type JsonSchema, toolDefinitions } from './definitions.js';

/**
 * A schema that advertises `json` and lets every value through: the operation itself parses its input,
 * so that wrong fields get the same coded errors through every door.
 */
const advertise = (json: JsonSchema): StandardSchemaWithJSON<unknown, unknown> => ({
  '~standard': {
    version: 1,
    vendor: 'doe-dispatcher',
    validate: (value: unknown) => ({ value }),
    jsonSchema: { input: () => json, output: () => json },
  },
});

export function addTools(server: McpServer, options: Omit<ToolCallsOptions, 'server'>): void {
  const load = once(() =>
    import('./call-tool.js').then(({ createCallTool }) => createCallTool({ server, ...options })),
  );
  let callTool: CallTool = async (...call) => {
    callTool = await load();
    return callTool(...call);
  };
  for (const { name, inputSchema, outputSchema, ...words } of toolDefinitions) {
    server.registerTool(
      name,
      { ...words, inputSchema: advertise(inputSchema), outputSchema: advertise(outputSchema) },
      (input, context) => callTool(name, input ?? {}, context),
    );
  }
}
