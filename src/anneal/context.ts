// What a repairer wants to know first: what was different when it last went well.
import type { AnnealRow, Store } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import { type Task, visiblePayload } from '../tasks/task.js';
import { unifiedDiff } from '../unified-diff.js';
import { scriptChanges } from './script-changes.js';

/** So many of the newest failures alike are linked; all are counted. */
const linked = 50;

/** The content of `context.json`, with the payload that failed. Texts that are no longer kept leave their diff null. */
export async function failureContext(
  store: Store,
  { task, payload: failed, row: { failure } }: { task: Task; payload: JsonObject | null; row: AnnealRow },
): Promise<JsonObject> {
  const last = await store.tasks.lastSuccess(task.pins.directiveId);
  const alike = await store.ledger.failuresLike(failure.fingerprint, linked);
  const occurrences = {
    fingerprint: failure.fingerprint,
    count: (await store.ledger.countLike(failure.fingerprint)).failures,
    tasks: [...new Set(alike.map(({ taskId }) => taskId))],
    bundles: [...new Set(alike.flatMap(({ aid }) => aid ?? []))],
  };
  if (last === null) return { last_success: null, differs: null, occurrences };
  const { run } = last;
  const payload = visiblePayload({ payloadJson: JSON.stringify(last.payload), secretPaths: task.secretPaths });
  const labels: [string, string] = ['last success', 'failed'];
  const diff = async (name: string, before: string, after: string) => {
    if (before === after) return null;
    const [old, now] = await Promise.all([store.ledger.content(before), store.ledger.content(after)]);
    return old === null || now === null ? null : unifiedDiff(name, { before: old, after: now }, labels);
  };
  const script = await scriptChanges(store.ledger, {
    name: 'script',
    before: run.scriptSha256,
    after: failure.pins.scriptSha256,
    labels,
  });
  const asText = (value: JsonObject) => `${JSON.stringify(value, null, 2)}\n`;
  return {
    last_success: {
      run_id: run.id,
      task_id: run.taskId,
      finished_at: run.finishedAt === null ? null : new Date(run.finishedAt).toISOString(),
      directive_sha256: run.directiveSha256,
      script_sha256: run.scriptSha256,
      payload,
    },
    differs: {
      directive: run.directiveSha256 !== failure.pins.directiveSha256,
      script: run.scriptSha256 !== failure.pins.scriptSha256,
      payload: run.payloadSha256 !== failure.pins.payloadSha256,
      directive_diff: await diff('directive.md', run.directiveSha256, failure.pins.directiveSha256),
      script_diff: script.diff === '' ? null : script.diff,
      script_files: script.files.map(({ name, change }) => ({ file: `execution/${name}`, change })),
      payload_diff:
        run.payloadSha256 === failure.pins.payloadSha256 || failed === null
          ? null
          : await unifiedDiff('payload.json', { before: asText(payload), after: asText(failed) }, labels),
    },
    occurrences,
  };
}
