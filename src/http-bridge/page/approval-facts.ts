// Everything a person needs for one decision, gathered from the disk and the store as they are now.

import { extname } from 'node:path';
import { scriptChanges } from '../../anneal/script-changes.js';
import type { Pinned } from '../../directives/index.js';
import type { EffectivePolicy } from '../../directives/policy.js';
import { DispatcherError } from '../../errors.js';
import type { Credential } from '../../queue/store.js';
import type { Task } from '../../tasks/task.js';
import { consentingNow } from '../../tools/acknowledge.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { checkPins, directiveNow, pinTask } from '../../tools/pinning.js';
import { changesSince } from '../../tools/review.js';
import { type PageContext, viewerOf } from './env.js';
import { partyOf } from './passkeys.js';

export interface ApprovalFacts {
  task: Task;
  /** What would run if it were approved now; null where the disk does not allow a pin. */
  now: { pinned: Pinned; policy: EffectivePolicy } | null;
  /** Why the task's pins no longer hold; null where they do. */
  changed: string | null;
  /** The directive as this person last approved it; null where never. */
  lastApproved: { text: string | null; at: number; sameRevision: boolean } | null;
  /** When it last succeeded, and what is different about the script since; null where it never did. */
  lastSuccess: { at: number; sameScript: boolean; scriptDiff: string | null } | null;
  /** For a task that failed: what is different in directive and script since; null for others. */
  sinceFailure: string | null;
  command: string[] | null;
  /** Passkeys that this page can ask for. */
  passkeys: Credential[];
  /** Passkeys that were let in since this person last approved this directive. */
  newPasskeys: Credential[];
  /** Owners who have agreed to exactly this, in this round. */
  agreed: string[];
}

export async function approvalFacts(dispatcher: Dispatcher, task: Task, context: PageContext): Promise<ApprovalFacts> {
  const { store } = dispatcher;
  const { keyId } = viewerOf(context).caller;
  const check = await checkPins(dispatcher, task);
  const now = check.ok ? check : await pinnedNow(dispatcher, task);
  const { directiveId } = task.pins;
  const [ack, success, credentials, agreed] = await Promise.all([
    store.people.lastAckBy(keyId, directiveId),
    store.tasks.lastSuccess(directiveId),
    store.people.credentials(),
    consentingNow(store, task),
  ]);
  const present = now?.pinned.pins ?? task.pins;
  return {
    task,
    now,
    changed: check.ok ? null : check.message,
    lastApproved:
      ack === null
        ? null
        : {
            at: ack.issuedAt,
            sameRevision: ack.pins.directiveSha256 === present.directiveSha256,
            text: await store.ledger.content(ack.pins.directiveSha256),
          },
    lastSuccess:
      success === null
        ? null
        : {
            at: success.run.finishedAt ?? success.run.startedAt,
            sameScript: success.run.scriptSha256 === present.scriptSha256,
            scriptDiff: await scriptDiff(dispatcher, success.run.scriptSha256, present.scriptSha256),
          },
    sinceFailure: now === null ? null : await sinceFailure(dispatcher, task, now.pinned),
    command: now === null ? null : commandOf(now.pinned, task),
    passkeys: credentials.filter(({ rpId }) => rpId === partyOf(context).rpId),
    newPasskeys: credentials.filter(({ createdAt }) => createdAt > (ack?.issuedAt ?? 0)),
    agreed: [...agreed],
  };
}

const scriptDiff = async ({ store }: Dispatcher, before: string, after: string) =>
  (await scriptChanges(store.ledger, { name: 'script', before, after })).diff;

async function sinceFailure(dispatcher: Dispatcher, task: Task, pinned: Pinned): Promise<string | null> {
  const { compared_with, diff } = await changesSince(dispatcher, task, pinned);
  return compared_with === 'failed_run' ? diff : null;
}

/** What is there now although the task was pinned to something else; null where it cannot be pinned. */
async function pinnedNow(dispatcher: Dispatcher, task: Task): Promise<ApprovalFacts['now']> {
  if ((await directiveNow(dispatcher.directives, task)) === null) return null;
  const { taskType, projectId, payloadJson } = task;
  return pinTask(dispatcher, { taskType, projectId, payload: payloadJson }).catch((error: unknown) => {
    if (error instanceof DispatcherError) return null;
    throw error;
  });
}

const interpreters: Record<string, string> = { '.py': 'python3', '.mjs': 'node', '.js': 'node', '.sh': 'bash' };

/** The arguments that the script's process gets, in order; the token is made at the start and shown to nobody. */
function commandOf({ script, payloadJson, secretPaths }: Pinned, task: Task): string[] {
  const interpreter = interpreters[extname(script.name)];
  return [
    ...(interpreter === undefined ? [] : [interpreter]),
    `execution/${script.name}`,
    task.id,
    '<run token>',
    secretPaths.length === 0 ? payloadJson : '<payload, with its secret values>',
  ];
}

/** The assurance that a decision over the task needs now. */
export const wantedAssurance = ({ now }: ApprovalFacts) => now?.policy.ack ?? 'client';
