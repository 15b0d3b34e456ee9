// "Did you mean" for ids that only the bridge knows: asked for once an id turned out to be unknown.
import { DispatcherError } from '../errors.js';
import { nearest } from '../suggest.js';
import type { listAnneals, listAutomations, listTasks } from '../tools/index.js';
import type { Bridge } from './bridge.js';

const lookedThrough = 200;

/** Runs the call; an unknown task or bundle is named together with the nearest known one. */
export async function withNearest<T>(bridge: Bridge, path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const id = /^\/(?:tasks|anneals)\/([^/?]+)/.exec(path)?.[1];
    if (!(error instanceof DispatcherError) || id === undefined) throw error;
    throw await orNearest(bridge, error, decodeURIComponent(id));
  }
}

/** The error with the nearest known name in its hint; as it is where none is near. */
export async function orNearest(bridge: Bridge, error: DispatcherError, name: string): Promise<DispatcherError> {
  const meant = nearest(name, await knownNames(bridge, error.code));
  if (meant === null) return error;
  const hint = [`Did you mean ${meant}?`, error.hint].filter(Boolean).join(' ');
  return new DispatcherError(error.code, error.message, { hint, cause: error });
}

async function knownNames(bridge: Bridge, code: string): Promise<string[]> {
  if (code === 'task_not_found') {
    const { tasks } = await bridge.get<typeof listTasks>('/tasks', { limit: lookedThrough });
    return tasks.map(({ task_id }) => task_id);
  }
  if (code === 'anneal_not_found') {
    const { anneals } = await bridge.get<typeof listAnneals>('/anneals', { limit: lookedThrough });
    return anneals.map(({ aid }) => aid);
  }
  if (code === 'automation_not_found') {
    const { automations } = await bridge.get<typeof listAutomations>('/automations');
    return automations.map(({ name }) => name);
  }
  return [];
}
