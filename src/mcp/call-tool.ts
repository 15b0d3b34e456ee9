// One call of a tool. Nothing is decided here: it goes to the operation, whose answer or error comes back readable.
import type {
  CallToolResult,
  ContentBlock,
  InputRequiredResult,
  McpServer,
  ServerContext,
} from '@modelcontextprotocol/server';
import type { z } from 'zod';
import { DispatcherError } from '../errors.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { acknowledge, createTask, operations, readDirective, taskStatus } from '../tools/index.js';
import { type AnyOperation, type CallContext, invoke, validTraceparent } from '../tools/operation.js';
import type { Backend, Connection } from './connection.js';
import { moreOfCreated, readPart } from './directive-part.js';
import { createAskPerson } from './elicit-ack.js';
import { fittingPage, hasPages } from './fitting-page.js';
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
      // Who reads a log on from a line wants it from there, anybody else its end.
      const options: ResultOptions = { redact, more: () => ({ way: wayOn(name, input) }), fromStart: 'after' in input };
      if (operation === readDirective) {
        const { value, more } = await readPart(dispatcher, input, call);
        return toolResult(value, { ...options, more, links: linksOf(value) });
      }
      const value =
        operation === taskStatus
          ? withNote(name, await followTask(dispatcher, input, { connection, context, call }))
          : hasPages(operation)
            ? await fittingPage(dispatcher, { operation, input, call }, options)
            : withNote(name, await invoke(dispatcher, operation, input, call));
      const more = operation === createTask ? moreOfCreated(value as Created) : options.more;
      return toolResult(value, { ...options, more, links: linksOf(value) });
    } catch (error) {
      if (!(error instanceof DispatcherError)) log?.error('mcp.tool_failed', { tool: name, error });
      return toolError(error, { redact });
    }
  };
}

type Created = z.input<typeof createTask.output>;

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

/** The way to what a cut answer left out; asked for only where one is. */
function wayOn(name: string, input: object): string {
  const { task_id, after } = input as { task_id?: string; after?: number };
  const whole = (id: string) => `the resource task://${id}, or \`doe status ${id} --json\` in a terminal`;
  switch (name) {
    case 'task_status':
      return `${after === undefined ? `All log lines: with after 0, or as the resource task://${task_id}/log.` : 'Later log lines: call again with the last log id as after.'} The whole task: ${whole(String(task_id))}.`;
    case 'list_tasks':
      return `The whole of a task: ${whole('{task_id}')}.`;
    case 'list_directives':
      return 'The whole of one: read_directive.';
    case 'list_automations':
      return 'All of them, whole: `doe automations --json` in a terminal.';
    case 'run_automation':
      return 'Run it again with params that ask for less.';
    default:
      return 'Ask for less, or read the resource that is linked.';
  }
}
