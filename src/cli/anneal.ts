// `doe anneal`: the repairs that wait, their bundles, and the two ways to end one.
import type { annealComplete, dismissAnneal, listAnneals, readAnneal } from '../tools/index.js';
import { connectBridge } from './bridge.js';
import { tellMoved } from './follow.js';
import { actorOf, type CommonOptions, settingsOf } from './home.js';
import { note, say, sayJson } from './output.js';
import { bold, dim, quoted, table, visibleLine } from './text.js';

export interface ListOptions extends CommonOptions {
  status?: string;
  limit?: number;
  cursor?: string;
}

export async function list({ status, limit, cursor, ...options }: ListOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const { anneals, next_cursor } = await bridge.get<typeof listAnneals>('/anneals', { status, limit, cursor });
  if (options.json === true) return sayJson({ anneals, next_cursor });
  const rows = anneals.map(({ aid, task_id, status, classification, message }) =>
    [aid, task_id, status, classification, message].map(visibleLine),
  );
  say(rows.length === 0 ? 'No repairs.' : table(['BUNDLE', 'TASK', 'STATUS', 'KIND', 'FAILURE'], rows));
  if (next_cursor !== null) note(`There are more: add --cursor ${next_cursor}`);
}

export async function show(aid: string, options: CommonOptions): Promise<void> {
  const bridge = await connectBridge(await settingsOf(options));
  const anneal = await bridge.get<typeof readAnneal>(`/anneals/${encodeURIComponent(aid)}`);
  if (options.json === true) {
    const { ok: _ok, ...rest } = anneal as typeof anneal & { ok?: boolean };
    return sayJson(rest);
  }
  say(`${bold(anneal.aid)}  ${anneal.status}`);
  say(
    `  Task ${anneal.task_id}: ${visibleLine(anneal.message)} (${anneal.classification}, ${anneal.attempts} ${anneal.attempts === 1 ? 'attempt' : 'attempts'})`,
  );
  const { seen, occurrences } = anneal;
  const others = new Set(occurrences.map(({ task_id }) => task_id).filter((id) => id !== anneal.task_id));
  if (others.size > 0)
    say(`  Seen ${seen.failures} times, in ${seen.tasks} tasks. It failed alike in ${[...others].join(', ')}.`);
  for (const { name, text, bytes } of anneal.files) {
    say(`\n${bold(visibleLine(name))} ${dim(`${bytes} bytes`)}`);
    say(quoted(text));
  }
  if (anneal.status === 'open')
    say(`\nAfter the repair: \`doe anneal complete ${anneal.task_id} --note "what was mended"\``);
}

export interface CompleteOptions extends CommonOptions {
  actor?: string;
  note?: string;
  payload?: string;
}

export async function complete(
  taskId: string,
  { actor, note: why, payload, ...options }: CompleteOptions,
): Promise<void> {
  const config = await settingsOf(options);
  const bridge = await connectBridge(config);
  const { status } = await bridge.post<typeof annealComplete>(`/tasks/${encodeURIComponent(taskId)}/anneal-complete`, {
    actor_id: actor ?? actorOf(config),
    ...(why === undefined ? {} : { note: why }),
    ...(payload === undefined ? {} : { payload_json: payload }),
  });
  tellMoved(taskId, status);
}

export async function dismiss(
  taskId: string,
  { actor, ...options }: CommonOptions & { actor?: string },
): Promise<void> {
  const config = await settingsOf(options);
  const bridge = await connectBridge(config);
  const { status } = await bridge.post<typeof dismissAnneal>(`/tasks/${encodeURIComponent(taskId)}/anneal-dismiss`, {
    actor_id: actor ?? actorOf(config),
  });
  tellMoved(taskId, status);
}
