// One call of a tool. Nothing is decided here: it goes to the operation, whose answer or error comes back readable.
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
import { createAskPerson } from './elicit-ack.js';
import { followTask } from './follow-task.js';
import { type ResultOptions, toolError, toolResult } from './tool-result.js';
import { withNote } from './untrusted.js';

export type CallTool = (
  name: string,
  input: object,
  context: ServerContext,
) => Promise<CallToolResult | InputRequiredResult>;

export interface ToolCallsOptions {
  server: McpServer;
  backend: Backend;
  connection: Connection;
  /** How long a call of the 2025 era waits for its form. */
  waitMs: number | undefined;
}

/** The calls of one server instance. */
export function createCallTool({ server, backend, connection, waitMs }: ToolCallsOptions): CallTool {
  const askPerson = createAskPerson(() => server.server, waitMs);
  return async (name, input, context) => {
    let redact = (text: string) => text;
    let log: Dispatcher['log'] | undefined;
    try {
      const dispatcher = await backend();
      ({ redact, log } = dispatcher);
      const operation = operationNamed(name);
      const call: CallContext = {
        caller: connection.caller,
        signal: context.mcpReq.signal,
        traceparent: validTraceparent(context.mcpReq._meta?.traceparent),
      };
      if (operation === acknowledge) {
        const answer = await askPerson(dispatcher, input, { connection, context, call });
        return 'inputRequests' in answer ? answer : toolResult(answer, { redact, links: linksOf(answer) });
      }
      const value =
        operation === taskStatus
          ? await followTask(dispatcher, input, { connection, context, call })
          : await invoke(dispatcher, operation, input, call);
      return toolResult(withNote(name, value), { redact, links: linksOf(value), ...moreOf(operation, input) });
    } catch (error) {
      if (!(error instanceof DispatcherError)) log?.error('mcp.tool_failed', { tool: name, error });
      return toolError(error, { redact });
    }
  };
}

const tools = new Map(operations.filter(({ tool }) => tool).map((operation) => [operation.name, operation]));

function operationNamed(name: string): AnyOperation {
  const operation = tools.get(name);
  if (operation === undefined) throw new Error(`The tool ${name} has no operation.`);
  return operation;
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
    ...(directive === undefined
      ? []
      : [link(`directive://${encodeURIComponent(directive.id)}`, 'Directive', 'text/markdown')]),
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
function moreOf({ name }: AnyOperation, input: object): Pick<ResultOptions, 'more' | 'fromStart'> {
  const { id, task_id, after } = input as { id?: string; task_id?: string; after?: number };
  if (name === 'create_task')
    return { more: 'Read the whole directive with the resource directive://… that is linked.' };
  if (name === 'read_directive') return { more: `Read the whole of it as the resource directive://${id}.` };
  if (name === 'task_status' && after !== undefined)
    return { more: 'Later log lines: call again with the last log id as after.', fromStart: true };
  if (name === 'task_status')
    return {
      more: `All log lines: with after 0, or as the resource task://${task_id}/log; the rest: task://${task_id}.`,
    };
  if (name === 'list_tasks' || name === 'list_directives')
    return { more: 'Ask with limit 10 and go on with next_cursor.' };
  if (name === 'run_automation') return { more: 'Run it again with params that ask for less.' };
  return {};
}
