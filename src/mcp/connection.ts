// What a server instance knows of the line it serves: the era, who is calling, and whether a person may be asked on it.
import type { ProtocolEra, ServerContext } from '@modelcontextprotocol/server';
import type { z } from 'zod';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { acknowledge } from '../tools/index.js';
import type { CallContext } from '../tools/operation.js';

export type AckAnswer = z.input<typeof acknowledge.output>;

export interface Connection {
  era: ProtocolEra;
  caller: Caller;
  /** What a form is bound to besides its task: random per process on stdio, the session, or the key of a stateless line. */
  id: string;
  /** Where no operator is behind the line, a form would be answered by the agent itself. */
  mayAsk: boolean;
  /** Of the 2025 era: the forms that wait for their person, by what they ask. */
  openForms: Map<string, Promise<AckAnswer>>;
  /** Aborted once nothing more will be said on it: what waits there is answered with what is so now. */
  ended?: AbortSignal;
}

/** One call of a tool on it. */
export interface ToolCall {
  connection: Connection;
  context: ServerContext;
  call: CallContext;
}

/** The dispatcher, once it is there. Rejects with a DispatcherError that says why there is none; every tool answers that. */
export type Backend = () => Promise<Dispatcher>;

/** Only an operator's client has a person behind it whom a form may ask; an agent's key would ask the agent. */
export const connectionOf = (caller: Caller, era: Connection['era'], id: string): Connection => ({
  era,
  caller,
  id,
  mayAsk: caller.principal === 'operator',
  openForms: new Map(),
});
