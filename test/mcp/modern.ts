// The 2026-07-28 wire by hand, for saying what no well-behaved client says.
import type { TestApp } from '../helpers/test-app.js';

export interface ModernReply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: JSON-RPC as it came
  body: any;
}

const revision = '2026-07-28';

export async function modernRequest(
  app: TestApp,
  key: string,
  { method, params, headers = {}, capabilities = { elicitation: { form: {} } } }: ModernOptions,
): Promise<ModernReply> {
  const name = (params.name ?? params.uri) as string | undefined;
  const response = await fetch(`${app.address}/mcp`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${key}`,
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': revision,
      'Mcp-Method': method,
      ...(name === undefined ? {} : { 'Mcp-Name': name }),
      ...headers,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method,
      params: {
        ...params,
        _meta: {
          'io.modelcontextprotocol/protocolVersion': revision,
          'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
          'io.modelcontextprotocol/clientCapabilities': capabilities,
        },
      },
    }),
  });
  const text = await response.text();
  const data = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? 'null');
  return { status: response.status, body: JSON.parse(data) };
}

export interface ModernOptions {
  method: string;
  params: Record<string, unknown>;
  headers?: Record<string, string>;
  capabilities?: object;
}
