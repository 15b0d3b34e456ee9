// Real clients of both SDK lines, on every transport, with a person behind them whose answers the test sets.
import { tmpdir } from 'node:os';
import {
  Client as ClientV2,
  StreamableHTTPClientTransport as HttpV2,
  SSEClientTransport as SseV2,
} from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from '@modelcontextprotocol/client/stdio';
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport as SseV1 } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport as StdioV1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';

export type Sdk = '1.x' | '2.x legacy' | '2.x modern';
export const sdks: readonly Sdk[] = ['1.x', '2.x legacy', '2.x modern'];

export interface Form {
  message: string;
  requestedSchema: { properties: Record<string, unknown>; required?: string[] };
}
export interface FormReply {
  action: 'accept' | 'decline' | 'cancel';
  content?: Record<string, string>;
}

export interface Person {
  forms: Form[];
  /** What the person does with the next forms; null for a client without forms. */
  answer: ((form: Form) => FormReply | Promise<FormReply>) | null;
}

export const approving = (): Person => ({
  forms: [],
  answer: ({ message }) => ({ action: 'accept', content: { task_id: typedId(message), decision: 'approve' } }),
});

/** The id as a person reads it off the form. */
export const typedId = (message: string): string => /type the task's id: (\S+)/.exec(message)?.[1] ?? '';

export interface ToolAnswer {
  isError?: boolean;
  structuredContent?: Record<string, unknown>;
  content: { type: string; text?: string; uri?: string }[];
}

/** What the tests need of a client, alike for both SDK lines. */
export interface TestClient {
  call(
    name: string,
    args?: Record<string, unknown>,
    options?: { onprogress?: (progress: Progress) => void },
  ): Promise<ToolAnswer>;
  // biome-ignore lint/suspicious/noExplicitAny: the raw client, whose two SDK lines have no common type
  raw: any;
  close(): Promise<void>;
}

export interface Progress {
  progress: number;
  total?: number | undefined;
  message?: string | undefined;
}

export type Where =
  | { kind: 'stdio'; command: string; args: string[]; env?: Record<string, string>; cwd?: string }
  | { kind: 'http' | 'sse'; url: string; key: string };

export async function connect(
  sdk: Sdk,
  where: Where,
  person: Person = { forms: [], answer: null },
): Promise<TestClient> {
  const capabilities = person.answer === null ? {} : { elicitation: { form: {} } };
  const reply = async (form: Form): Promise<FormReply> => {
    person.forms.push(form);
    return (await person.answer?.(form)) ?? { action: 'cancel' };
  };
  const client = sdk === '1.x' ? v1(capabilities, reply) : v2(sdk, capabilities, reply);
  // biome-ignore lint/suspicious/noExplicitAny: each SDK line has its own transport type
  await client.connect(transport(sdk, where) as any);
  onTestFinished(() => client.close());
  return {
    raw: client,
    call: async (name, args = {}, options = {}) =>
      (sdk === '1.x'
        ? await (client as ClientV1).callTool({ name, arguments: args }, undefined, options)
        : await (client as ClientV2).callTool({ name, arguments: args }, options)) as unknown as ToolAnswer,
    close: () => client.close(),
  };
}

type Capabilities = { elicitation?: { form: Record<string, never> } };
type Reply = (form: Form) => Promise<FormReply>;

function v1(capabilities: Capabilities, reply: Reply): ClientV1 {
  const client = new ClientV1({ name: 'test', version: '1' }, { capabilities });
  if (capabilities.elicitation !== undefined)
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({
      ...(await reply(params as unknown as Form)),
    }));
  return client;
}

function v2(sdk: Sdk, capabilities: Capabilities, reply: Reply): ClientV2 {
  const mode = sdk === '2.x modern' ? { versionNegotiation: { mode: { pin: '2026-07-28' } } as const } : {};
  const client = new ClientV2({ name: 'test', version: '1' }, { capabilities, ...mode });
  if (capabilities.elicitation !== undefined)
    client.setRequestHandler('elicitation/create', async ({ params }) => ({
      ...(await reply(params as unknown as Form)),
    }));
  return client;
}

function transport(sdk: Sdk, where: Where) {
  if (where.kind === 'stdio') {
    const { command, args, env, cwd } = where;
    const options = {
      command,
      args,
      stderr: 'ignore' as const,
      // The SDKs pass on no TMPDIR by themselves.
      env: { TMPDIR: tmpdir(), ...env },
      ...(cwd === undefined ? {} : { cwd }),
    };
    return sdk === '1.x' ? new StdioV1(options) : new StdioV2(options);
  }
  const url = new URL(where.url);
  const options = { requestInit: { headers: { Authorization: `Bearer ${where.key}` } } };
  if (where.kind === 'sse') return sdk === '1.x' ? new SseV1(url, options) : new SseV2(url, options);
  return sdk === '1.x' ? new HttpV1(url, options) : new HttpV2(url, options);
}
