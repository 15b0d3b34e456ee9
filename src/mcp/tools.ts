// The operations as MCP tools. Nothing is decided here: a call goes to the operation, its answer or error comes back readable.
import type {
  CallToolResult,
  ContentBlock,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server';
import { DispatcherError } from '../errors.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { acknowledge, operations, taskStatus } from '../tools/index.js';
import { type AnyOperation, type CallContext, invoke, validTraceparent } from '../tools/operation.js';
import type { Backend, Connection } from './connection.js';
import type { AskPerson } from './elicit-ack.js';
import { followTask } from './follow-task.js';
import { iconOf } from './icons.js';
import { inputSchema, outputSchema } from './schemas.js';
import { toolError, toolResult } from './tool-result.js';

export interface ToolsOptions {
  backend: Backend;
  connection: Connection;
  askPerson: AskPerson;
}

export interface ToolCall {
  connection: Connection;
  context: ServerContext;
  call: CallContext;
}

// Converted once a process: a stateless line builds a server for every request.
const tools = operations
  .filter(({ tool }) => tool)
  .map((operation) => ({
    operation,
    config: {
      title: operation.title,
      description: operation.description,
      annotations: { title: operation.title, ...operation.annotations },
      icons: [iconOf(operation.name)],
      inputSchema: inputSchema(operation.input),
      outputSchema: outputSchema(operation.output),
    },
  }));

export function addTools(server: McpServer, { backend, connection, askPerson }: ToolsOptions): void {
  for (const { operation, config } of tools) {
    server.registerTool(
      operation.name,
      config,
      async (input, context): Promise<CallToolResult | InputRequiredResult> => {
        let redact = (text: string) => text;
        let log: Dispatcher['log'] | undefined;
        try {
          const dispatcher = await backend();
          ({ redact, log } = dispatcher);
          const call: CallContext = {
            caller: connection.caller,
            signal: context.mcpReq.signal,
            traceparent: validTraceparent(context.mcpReq._meta?.traceparent),
          };
          const given = input ?? {};
          if (operation === acknowledge) {
            const answer = await askPerson(dispatcher, given, { connection, context, call });
            return 'inputRequests' in answer ? answer : toolResult(answer, { redact, links: linksOf(answer) });
          }
          const value =
            operation === taskStatus
              ? await followTask(dispatcher, given, { connection, context, call })
              : await invoke(dispatcher, operation, given, call);
          return toolResult(value, { redact, links: linksOf(value), ...moreOf(operation, given) });
        } catch (error) {
          if (!(error instanceof DispatcherError)) log?.error('mcp.tool_failed', { tool: operation.name, error });
          return toolError(error, { redact });
        }
      },
    );
  }
}

interface Linked {
  task_id?: string;
  directive?: { id: string };
  task?: { task_id: string; status: string; aid: string | null };
  aid?: string;
}

/** Where the whole of what an answer speaks of can be read. */
function linksOf(answer: object): ContentBlock[] {
  const { task_id, directive, task, aid }: Linked = answer;
  const bundle = aid ?? (task?.status === 'needs_anneal' ? (task.aid ?? undefined) : undefined);
  return [
    ...(directive === undefined ? [] : [link(`directive://${directive.id}`, 'Directive', 'text/markdown')]),
    ...(task === undefined ? [] : [link(`task://${task.task_id}/log`, 'Log', 'text/plain')]),
    ...(task_id === undefined || directive !== undefined
      ? []
      : [link(`task://${task_id}`, 'Task', 'application/json')]),
    ...(bundle === undefined ? [] : [link(`anneal://${bundle}/README.md`, 'Repair bundle', 'text/markdown')]),
  ];
}

const link = (uri: string, title: string, mimeType: string): ContentBlock => ({
  type: 'resource_link',
  uri,
  name: uri,
  title,
  mimeType,
});

/** The way to what a cut answer left out. */
function moreOf({ name }: AnyOperation, input: object): { more?: string } {
  const { id, task_id } = input as { id?: string; task_id?: string };
  if (name === 'create_task')
    return { more: 'Read the whole directive with the resource directive://… that is linked.' };
  if (name === 'read_directive') return { more: `Read the whole of it as the resource directive://${id}.` };
  if (name === 'task_status') return { more: `Older log lines: the resource task://${task_id}/log.` };
  if (name === 'list_tasks') return { more: 'Ask with a smaller limit and go on with next_cursor.' };
  return {};
}
