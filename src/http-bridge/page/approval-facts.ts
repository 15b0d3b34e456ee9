// Everything a person needs for one decision, gathered from the disk and the store as they are now.
import { scriptChanges } from '../../anneal/script-changes.js';
import type { Pinned } from '../../directives/index.js';
import type { EffectivePolicy } from '../../directives/policy.js';
import { DispatcherError } from '../../errors.js';
import type { Credential } from '../../queue/store.js';
import type { Task } from '../../tasks/task.js';
import { consentingNow } from '../../tools/ack-rounds.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { checkPins, directiveNow, type PinCheck, textsWith, wouldPin } from '../../tools/pinning.js';
import { changesSince } from '../../tools/review.js';
import type { Interpreters } from '../../worker/interpreters.js';
import { type PageContext, viewerOf } from './env.js';
import { partyOf } from './passkeys.js';

export interface ApprovalFacts {
  task: Task;
  /** What would run if it were approved now; null where the disk does not allow a pin. */
  now: { pinned: Pinned; policy: EffectivePolicy } | null;
  /** Why the task's pins no longer hold, and what is different, where that can be told; null where they hold. */
  changed: { why: string; directive: { before: string; after: string } | null; scriptDiff: string | null } | null;
  /** The directive as this person last approved it; null where never. */
  lastApproved: { text: string | null; at: number; sameRevision: boolean } | null;
  /** When it last succeeded, and what is different about the script since; null where it never did. */
  lastSuccess: { at: number; sameScript: boolean; scriptDiff: string | null } | null;
  /** For a task that failed: what is different in directive, script and payload since; null for others. */
  sinceFailure: string | null;
  /** The arguments of the process that would run; null where there is none, and `fault` then says why. */
  command: { argv: string[] | null; fault: string | null };
  /** Passkeys that this page can ask for. */
  passkeys: Credential[];
  /** Passkeys that were let in since this person last approved this directive. */
  newPasskeys: Credential[];
  /** Owners who have agreed to exactly this, in this round. */
  agreed: string[];
}

/** What the facts are gathered from. */
export interface Sources {
  dispatcher: Dispatcher;
  interpreters: Interpreters;
}

export async function approvalFacts(
  { dispatcher, interpreters }: Sources,
  task: Task,
  context: PageContext,
): Promise<ApprovalFacts> {
  const { store } = dispatcher;
  const { keyId } = viewerOf(context).caller;
  const check = await checkPins(dispatcher, task, wouldPin);
  const now = check.ok ? check : await pinnedNow(dispatcher, task);
  const { directiveId } = task.pins;
  const [approval, success, credentials, agreed] = await Promise.all([
    store.people.lastApprovalBy(keyId, directiveId),
    store.tasks.lastSuccess(directiveId),
    store.people.credentials(),
    consentingNow(store, task),
  ]);
  const present = now?.pinned.pins ?? task.pins;
  return {
    task,
    now,
    changed: check.ok ? null : await changeOf(dispatcher, task, { check, now }),
    lastApproved:
      approval === null
        ? null
        : {
            at: approval.at,
            sameRevision: approval.directiveSha256 === present.directiveSha256,
            text: await store.ledger.content(approval.directiveSha256),
          },
    lastSuccess:
      success === null
        ? null
        : {
            at: success.run.finishedAt ?? success.run.startedAt,
            sameScript: success.run.scriptSha256 === present.scriptSha256,
            scriptDiff: now === null ? null : await scriptDiff(dispatcher, success.run.scriptSha256, now.pinned),
          },
    sinceFailure: now === null ? null : await sinceFailure(dispatcher, task, now.pinned),
    command: now === null ? { argv: null, fault: null } : await commandOf(interpreters, now.pinned, task),
    passkeys: credentials.filter(({ rpId }) => rpId === partyOf(context).rpId),
    newPasskeys: credentials.filter(({ createdAt }) => createdAt > (approval?.at ?? 0)),
    agreed: [...agreed],
  };
}

const scriptDiff = async (dispatcher: Dispatcher, before: string, pinned: Pinned) =>
  (await scriptChanges(textsWith(dispatcher, pinned), { name: 'script', before, after: pinned.pins.scriptSha256 }))
    .diff;

async function sinceFailure(dispatcher: Dispatcher, task: Task, pinned: Pinned): Promise<string | null> {
  const { compared_with, diff } = await changesSince(dispatcher, task, pinned);
  return compared_with === 'failed_run' ? diff : null;
}

const changeTexts = {
  directive_changed: 'The directive was changed after this task came to wait.',
  payload_changed: 'A file that the payload names was changed after this task came to wait.',
  script_changed: 'The script, or a file that it can load, was changed after this task came to wait.',
} as const;

/** What is different from what the task is pinned to. */
async function changeOf(
  dispatcher: Dispatcher,
  { pins }: Task,
  { check, now }: { check: Extract<PinCheck, { ok: false }>; now: ApprovalFacts['now'] },
): Promise<ApprovalFacts['changed']> {
  if (now === null) return { why: check.message, directive: null, scriptDiff: null };
  const before = await dispatcher.store.ledger.content(pins.directiveSha256);
  const after = now.pinned.directive.content;
  return {
    why: changeTexts[check.code],
    directive: before === null || before === after ? null : { before, after },
    scriptDiff: (await scriptDiff(dispatcher, pins.scriptSha256, now.pinned)) || null,
  };
}

/** What is there now although the task was pinned to something else; null where it cannot be pinned. */
async function pinnedNow(dispatcher: Dispatcher, task: Task): Promise<ApprovalFacts['now']> {
  if ((await directiveNow(dispatcher.directives, task)) === null) return null;
  const { taskType, projectId, payloadJson } = task;
  return wouldPin(dispatcher, { taskType, projectId, payload: payloadJson }).catch((error: unknown) => {
    if (error instanceof DispatcherError) return null;
    throw error;
  });
}

/** The process as the worker starts it; the token is made at the start and shown to nobody. */
async function commandOf(
  interpreters: Interpreters,
  { script, payloadJson, secretPaths, directive }: Pinned,
  task: Task,
): Promise<ApprovalFacts['command']> {
  try {
    const { file, args } = await interpreters.commandFor(script);
    const payload = secretPaths.length === 0 ? payloadJson : '<payload, with its secret values>';
    const argv = [file, ...args, task.id, '<run token>', payload];
    const { sandbox } = directive.frontMatter;
    return { argv: sandbox === null ? argv : ['bwrap', '<as under Sandbox>', '--', ...argv], fault: null };
  } catch (error) {
    if (error instanceof DispatcherError) return { argv: null, fault: error.message };
    throw error;
  }
}

/** The assurance that a decision over the task needs now. */
export const wantedAssurance = ({ now }: ApprovalFacts) => now?.policy.ack ?? 'client';
