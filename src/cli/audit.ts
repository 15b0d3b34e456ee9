// `doe audit`: who did what, from the home's own record; `verify` says whether anybody laid hands on it, `export` writes
// all of it as JSON lines. Works with and without a bridge.
import type { z } from 'zod';
import { loadConfig } from '../config.js';
import { DispatcherError } from '../errors.js';
import { orMeant } from '../suggest.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { listAudit, listTasks, verifyAudit } from '../tools/index.js';
import { invoke } from '../tools/operation.js';
import { type CommonOptions, settingsOf, terminalCall, withDispatcher } from './home.js';
import { note, say, sayJson, sayJsonLine } from './output.js';
import { styled, table, visibleLine } from './text.js';

export interface AuditOptions extends CommonOptions {
  task?: string;
  limit?: number;
  after?: number;
  seal?: string;
}

type Event = z.output<typeof listAudit.output>['events'][number];

export async function run(action: string | undefined, options: AuditOptions): Promise<number> {
  const way = action === undefined ? list : Object.hasOwn(ways, action) ? ways[action] : undefined;
  if (way === undefined) {
    throw new DispatcherError(
      'invalid_input',
      `\`doe audit ${action}\` is no command.${orMeant(String(action), Object.keys(ways))}`,
      {
        hint: 'There are `doe audit`, `doe audit verify` and `doe audit export`.',
      },
    );
  }
  if (options.seal !== undefined && action !== 'verify') {
    throw new DispatcherError('invalid_input', '--seal is for `doe audit verify`.', {
      hint: 'Leave it out, or verify.',
    });
  }
  const { home } = await settingsOf(options);
  return withDispatcher(loadConfig(home), async (dispatcher) => {
    if (options.task !== undefined) await noteUnknown(dispatcher, options.task);
    return way(dispatcher, options);
  });
}

/** Every task has an event of its making, also one that was removed since: without any, the id is likely a mistake. */
async function noteUnknown(dispatcher: Dispatcher, task: string): Promise<void> {
  const { events } = await read(dispatcher, { task_id: task, limit: 1 });
  if (events.length > 0) return;
  const { tasks } = await invoke(dispatcher, listTasks, { limit: 200 }, terminalCall());
  const known = tasks.map(({ task_id }) => task_id);
  note(`There is no event of a task ${visibleLine(task)}.${orMeant(task, known)}`);
}

const read = (dispatcher: Dispatcher, input: z.input<typeof listAudit.input>) =>
  invoke(dispatcher, listAudit, input, terminalCall());

async function list(dispatcher: Dispatcher, { task, limit, after, json }: AuditOptions): Promise<number> {
  const { events, next_after } = await read(dispatcher, { task_id: task, limit, after });
  if (json === true) {
    sayJson({ events, next_after });
    return 0;
  }
  say(
    events.length === 0 ? 'No events.' : table(['SEQ', 'AT (UTC)', 'TASK', 'EVENT', 'BY', 'THROUGH'], events.map(row)),
  );
  if (next_after !== null) note(`There are more: add --after ${next_after}`);
  return 0;
}

const row = ({
  seq,
  at,
  task_id,
  type,
  from,
  to,
  actor_id,
  principal,
  channel,
  key_id,
  person,
  assurance,
}: Event): string[] =>
  [
    String(seq),
    at.slice(0, 19).replace('T', ' '),
    task_id ?? '',
    to === null || from === to ? type : `${type}: ${from ?? 'new'} → ${to}`,
    `${actor_id} (${principal}${assurance === null ? '' : `, ack: ${assurance}`})`,
    key_id === null ? channel : `${channel}, key ${key_id}${person === null ? '' : ` of ${person}`}`,
  ].map(visibleLine);

async function verify(dispatcher: Dispatcher, { seal, json }: AuditOptions): Promise<number> {
  const report = await invoke(dispatcher, verifyAudit, { seal }, terminalCall());
  if (json === true) sayJson(report);
  else tell(report);
  return report.intact ? 0 : 1;
}

function tell({ intact, events, seals, sealed_up_to, seal_hash, faults }: z.input<typeof verifyAudit.output>): void {
  for (const { message } of faults) say(`${styled('red', 'wrong')}  ${visibleLine(message)}`);
  say(
    intact
      ? `${events} events, nothing edited, removed or moved.`
      : `${events} events; the trail is not as it was written.`,
  );
  if (seal_hash !== null) say(`${seals} seals, up to event ${sealed_up_to}. The last one: ${seal_hash}`);
}

/** One event a line, in order: what another program reads, or keeps elsewhere. */
async function exportAll(dispatcher: Dispatcher, { task, after = 0 }: AuditOptions): Promise<number> {
  let from: number | null = after;
  while (from !== null) {
    const { events, next_after } = await read(dispatcher, { task_id: task, after: from, limit: 1000 });
    for (const event of events) sayJsonLine(event);
    from = next_after;
  }
  return 0;
}

const ways: Record<string, (dispatcher: Dispatcher, options: AuditOptions) => Promise<number>> = {
  verify,
  export: exportAll,
};
