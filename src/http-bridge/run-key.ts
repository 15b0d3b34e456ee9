// Integrations for scripts: the run key says which, while its run holds the task. The server keeps the services' own keys.
import type { Context } from 'hono';
import { DispatcherError, publicError } from '../errors.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { pinnedIntegrations } from '../tools/pinned-directive.js';
import { bearer } from './auth.js';

/** @throws DispatcherError `unauthorized`, `not_allowed`, and the integration's own */
export async function callIntegration(
  dispatcher: Dispatcher,
  context: Context,
  readInput: () => Promise<JsonObject>,
): Promise<JsonValue> {
  const { store, acks, clock, config, integrations, log } = dispatcher;
  const name = context.req.param('name') ?? '';
  const action = context.req.param('action') ?? '';
  const claims = await acks.readRunKey(bearer(context.req.raw.headers) ?? '', await store.now());
  const task = await store.tasks.get(claims.taskId);
  if (task === null || task.runId !== claims.runId || task.status !== 'running') {
    throw new DispatcherError('unauthorized', 'The run of this key is over.', {
      hint: 'A new attempt gets a key of its own.',
    });
  }
  const begun = clock.monotonic();
  // A line that cannot be written must not pass for a call that failed: the script would make it again.
  const note = (status: string) =>
    store.logs
      .append([
        {
          taskId: task.id,
          runId: claims.runId,
          stream: 'system',
          text: `${shown(name)} ${shown(action)}: ${status} after ${Math.round(clock.monotonic() - begun)} ms`,
          at: clock.now(),
        },
      ])
      .catch((error: unknown) => log.warn('run.log_lost', { task_id: task.id, run_id: claims.runId, lines: 1, error }));
  const idempotencyKey = context.req.header('idempotency-key') ?? `${claims.runId}:${name}:${action}`;
  try {
    // What the key says of itself is not enough: the directive's own text and its trust are asked too.
    const granted = await pinnedIntegrations(dispatcher, task);
    if (!claims.integrations.includes(name) || !granted.includes(name)) throw notNamed(name, task.pins.directiveId);
    // Read only now: parsing a stranger's body would be work for nothing.
    const input = await readInput();
    const result = await integrations.call(name, action, input, {
      home: config.home,
      signal: context.req.raw.signal,
      idempotencyKey,
    });
    await note('ok');
    return result;
  } catch (error) {
    await note(publicError(error).code);
    throw error;
  }
}

const shown = (word: string): string => JSON.stringify(word.slice(0, 64)).slice(1, -1);

const notNamed = (name: string, directive: string): DispatcherError =>
  new DispatcherError('not_allowed', `The directive does not name the integration ${name}, or is not trusted.`, {
    hint: `Add it to \`integrations\` in ${directive} and trust the directive: doe trust ${directive}`,
  });
