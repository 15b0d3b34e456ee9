// Reading is allowed to everyone who may speak here; resources and prompts are read as an agent reads.
// The operations are loaded by the first reading, so that a client that only looks does not wait for them.
import type { z } from 'zod';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { readAnneal, readDirective } from '../tools/index.js';

const caller: Caller = { principal: 'agent', channel: 'mcp', keyId: null, person: null };

const load = () => Promise.all([import('../tools/index.js'), import('../tools/operation.js')]);

/** @throws DispatcherError `not_found` */
export async function directiveOf(
  dispatcher: Dispatcher,
  wanted: { id: string; sha256?: string },
): Promise<z.input<typeof readDirective.output>> {
  const [tools, { invoke }] = await load();
  return invoke(dispatcher, tools.readDirective, wanted, { caller });
}

/** @throws DispatcherError `not_found` */
export async function annealOf(dispatcher: Dispatcher, aid: string): Promise<z.input<typeof readAnneal.output>> {
  const [tools, { invoke }] = await load();
  return invoke(dispatcher, tools.readAnneal, { aid }, { caller });
}
