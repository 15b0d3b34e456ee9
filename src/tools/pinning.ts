// What an ack would cover now, and whether what one covered still holds. Used when a task is made, acknowledged, validated and run.
import { changedPart } from '../acks/binding.js';
import type { Directives, Pinned, TaskDirective } from '../directives/index.js';
import { pinnedContents } from '../directives/index.js';
import { type EffectivePolicy, effectivePolicy, taskPolicy } from '../directives/policy.js';
import { DispatcherError, type TokenErrorCode } from '../errors.js';
import type { LedgerStore, PinnedWork } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Pins, Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';

export interface PinnedTask {
  pinned: Pinned;
  policy: EffectivePolicy;
  /** The same in the form that the store keeps. */
  work: PinnedWork;
}

interface Wanted {
  taskType: string;
  projectId: string;
  payload: string | JsonObject | undefined;
}

/**
 * Finds the directive, checks the payload and hashes everything. Only looks: for what shows a pin and moves nothing.
 * @throws what `Directives.find` and `Directives.pin` throw
 */
export async function wouldPin(
  { store, directives, config }: Dispatcher,
  { taskType, projectId, payload }: Wanted,
): Promise<PinnedTask> {
  const directive = await directives.find(taskType, projectId);
  const pinned = await directives.pin(directive, payload);
  const policy = effectivePolicy(directive.frontMatter, await isTrusted(store, pinned.pins), config.minAck);
  return { pinned, policy, work: toWork(pinned, policy) };
}

/** The same, and keeps the texts for later diffs. */
export async function pinTask(dispatcher: Dispatcher, wanted: Wanted): Promise<PinnedTask> {
  const found = await wouldPin(dispatcher, wanted);
  const { pinned } = found;
  const { directive } = pinned;
  await keepWithFiles(dispatcher, pinnedContents(pinned), pinned.covered);
  const { id, version, title } = directive.frontMatter;
  await dispatcher.store.ledger.noteDirective({
    sha256: directive.sha256,
    id,
    version,
    title,
    taskType: wanted.taskType,
  });
  return found;
}

/** Keeps texts and, where one of them is new, those of the files that the script can load: a list that is known is kept with them. */
export async function keepWithFiles(
  { store, directives }: Pick<Dispatcher, 'store' | 'directives'>,
  contents: ReturnType<typeof pinnedContents>,
  covered: Record<string, string>,
): Promise<void> {
  const added = await store.ledger.keep(contents);
  if (added.length === 0) return;
  await store.ledger.keep(directives.texts(covered).map((file) => ({ ...file, kind: 'script' })));
}

/** The kept texts, and those of what would be pinned now, which nothing has kept yet. */
export function textsWith(
  { store, directives }: Pick<Dispatcher, 'store' | 'directives'>,
  pinned: Pinned,
): Pick<LedgerStore, 'content'> {
  let present: Map<string, string> | undefined;
  const ofNow = () =>
    (present ??= new Map(
      [...pinnedContents(pinned), ...directives.texts(pinned.covered)].map(({ sha256, text }) => [sha256, text]),
    ));
  return { content: async (sha256) => (await store.ledger.content(sha256)) ?? ofNow().get(sha256) ?? null };
}

/** Whether an operator trusted exactly this content. */
export const isTrusted = (store: Dispatcher['store'], pins: Pins): Promise<boolean> =>
  store.people.isTrusted({
    kind: 'directive',
    id: pins.directiveId,
    sha256: pins.directiveSha256,
    scriptSha256: pins.scriptSha256,
  });

const toWork = ({ pins, payloadJson, secretPaths, directive }: Pinned, policy: EffectivePolicy): PinnedWork => ({
  pins,
  payloadJson,
  secretPaths,
  policy: taskPolicy(directive.frontMatter, policy),
});

export type PinCheck =
  | ({ ok: true } & PinnedTask)
  | {
      ok: false;
      code: Extract<TokenErrorCode, 'directive_changed' | 'payload_changed' | 'script_changed'>;
      message: string;
      /** What would be pinned now; null where the disk does not allow a pin. */
      work: PinnedWork | null;
    };

type Change = Extract<PinCheck, { ok: false }>['code'];

const changed: Record<Change, string> = {
  directive_changed: 'The directive',
  payload_changed: 'A file that the payload names',
  script_changed: 'The script, or a file that it can load,',
};

const changeMessage = (code: Change, { ackId }: Task): string =>
  `${changed[code]} was changed ${ackId === null ? 'since the task was pinned' : 'after the acknowledgement'}.`;

/**
 * Compares the task's pins with the disk as it is at this moment.
 * @param pin `wouldPin` for who only looks
 */
export async function checkPins(dispatcher: Dispatcher, task: Task, pin = pinTask): Promise<PinCheck> {
  try {
    const { taskType, projectId, payloadJson } = task;
    const now = await pin(dispatcher, { taskType, projectId, payload: payloadJson });
    const code = changedPart(task.pins, now.pinned.pins);
    if (code === null) return { ok: true, ...now };
    return { ok: false, code, message: changeMessage(code, task), work: now.work };
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return { ok: false, ...(await changeBehind(dispatcher, task, error)), work: null };
  }
}

/**
 * What is different where the disk allows no pin any more: the first part that is, not the one that the refusal speaks of.
 * @throws the refusal itself, where it says nothing of the disk, such as that of a busy store
 */
async function changeBehind(
  { directives }: Dispatcher,
  task: Task,
  refusal: DispatcherError,
): Promise<{ code: Change; message: string }> {
  const refused = partRefused(refusal);
  if (refused === null) throw refusal;
  const directive = await directiveNow(directives, task);
  const code = directive === null ? 'directive_changed' : await firstChange(directives, task, { directive, refused });
  const first = code === refused ? '' : `${changeMessage(code, task)} `;
  return { code, message: `${first}${refusal.message}` };
}

async function firstChange(
  directives: Directives,
  { pins, payloadJson }: Task,
  { directive, refused }: { directive: TaskDirective; refused: Change },
): Promise<Change> {
  if (directive.sha256 !== pins.directiveSha256) return 'directive_changed';
  if (refused !== 'script_changed') return refused;
  const now = await directives.payloadDigests(directive, payloadJson).catch((error: unknown) => {
    if (error instanceof DispatcherError) return null;
    throw error;
  });
  const asPinned = now?.payloadSha256 === pins.payloadSha256 && now.filesSha256 === pins.filesSha256;
  return asPinned ? 'script_changed' : 'payload_changed';
}

/** Which part of the pins a refusal to pin speaks of; null for a fault that says nothing of them. */
function partRefused({ code }: DispatcherError): Change | null {
  if (code === 'script_missing' || code === 'too_much_covered') return 'script_changed';
  if (code === 'invalid_payload' || code === 'invalid_input' || code === 'too_large') return 'payload_changed';
  return code.startsWith('directive_') ? 'directive_changed' : null;
}

/** A task's directive as the disk has it, for readers: null where it is gone or broken. */
export async function directiveNow(directives: Directives, task: Task) {
  try {
    return await directives.find(task.taskType, task.projectId);
  } catch (error) {
    if (error instanceof DispatcherError) return null;
    throw error;
  }
}
