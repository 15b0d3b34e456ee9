// A task's directive as it is pinned, from the kept texts: what its binding covers, whatever stands on the disk by now.
import type { TaskDirective } from '../directives/index.js';
import { type EffectivePolicy, effectivePolicy } from '../directives/policy.js';
import { parseRevision } from '../directives/revision.js';
import { DispatcherError } from '../errors.js';
import type { Pins, Task } from '../tasks/task.js';
import type { Dispatcher } from './dispatcher.js';
import { isTrusted } from './pinning.js';

/** @throws DispatcherError `directive_broken` where this program cannot read that revision */
export async function pinnedDirective(
  { store, config }: Dispatcher,
  { id, pins, taskType }: Task,
): Promise<{ directive: TaskDirective; policy: EffectivePolicy }> {
  const directive = await keptRevision(store, pins);
  if (directive === null)
    throw new DispatcherError('directive_broken', `The directive that task ${id} was made by can no longer be read.`, {
      hint: `The task is there: look at it with task_status. A new one of ${taskType} takes another task_id.`,
    });
  return { directive, policy: effectivePolicy(directive.frontMatter, await isTrusted(store, pins), config.minAck) };
}

/** The integrations that it may use: none where its text is not kept or nobody trusted it. */
export async function pinnedIntegrations({ store }: Pick<Dispatcher, 'store'>, { pins }: Task): Promise<string[]> {
  const directive = await keptRevision(store, pins);
  return directive !== null && (await isTrusted(store, pins)) ? directive.frontMatter.integrations : [];
}

async function keptRevision(
  store: Dispatcher['store'],
  { directiveId: id, directiveSha256: sha256 }: Pins,
): Promise<TaskDirective | null> {
  const content = await store.ledger.content(sha256);
  if (content === null) return null;
  const directive = parseRevision({ id, file: `${id} as it was pinned`, bytes: Buffer.from(content), modifiedAt: 0 });
  // A text is kept without its byte order mark, the revision is named with it.
  return directive.kind === 'task' ? { ...directive, sha256 } : null;
}
