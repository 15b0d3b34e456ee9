// What a repairer looks at first: what was different when it last went well, and what was changed since it failed.
import { z } from 'zod';
import { DispatcherError } from '../../errors.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { reviewTask } from '../../tools/index.js';
import { type CallContext, invoke } from '../../tools/operation.js';
import { PatchText } from './diff.js';
import { Empty } from './words.js';

/** The part of a bundle's `context.json` that is shown; the file lies on the disk, where anybody may have written. */
const contextSchema = z.object({
  last_success: z.object({ task_id: z.string() }).nullable(),
  differs: z
    .object({
      directive: z.boolean(),
      script: z.boolean(),
      payload: z.boolean(),
      directive_diff: z.string().nullable(),
      script_diff: z.string().nullable(),
      payload_diff: z.string().nullable(),
    })
    .nullable(),
});
export type AnnealContext = z.infer<typeof contextSchema>;

/** Null where the file is not as this program writes it. */
export function contextOf(files: { name: string; text: string }[]): AnnealContext | null {
  try {
    const text = files.find(({ name }) => name === 'context.json')?.text ?? '';
    return contextSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** What would run now against what failed; `fault` says why that cannot be told. */
export interface Mended {
  diff: string;
  fault: string | null;
}

export async function mendedSince(dispatcher: Dispatcher, taskId: string, call: CallContext): Promise<Mended> {
  try {
    const { diff } = await invoke(dispatcher, reviewTask, { task_id: taskId }, call);
    return { diff, fault: null };
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return { diff: '', fault: error.message };
  }
}

export const MendedDiff = ({ mended: { diff, fault } }: { mended: Mended }) => (
  <>
    <h2>Changed since it failed</h2>
    {diff === '' ? (
      <Empty>{fault ?? 'Directive and script are as they were when it failed.'}</Empty>
    ) : (
      <PatchText patch={diff} />
    )}
  </>
);

export const FailureDiffs = ({ context }: { context: AnnealContext | null }) => (
  <>
    <h2>Different from the last success</h2>
    <Compared context={context} />
  </>
);

const Compared = ({ context }: { context: AnnealContext | null }) => {
  if (context === null) return <Empty>The bundle’s context.json cannot be read.</Empty>;
  const { last_success: success, differs } = context;
  if (success === null || differs === null) return <Empty>This directive had never succeeded here.</Empty>;
  const parts = [
    { name: 'Directive', differs: differs.directive, diff: differs.directive_diff },
    { name: 'Script', differs: differs.script, diff: differs.script_diff },
    { name: 'Payload', differs: differs.payload, diff: differs.payload_diff },
  ];
  const same = parts.filter((part) => !part.differs).map(({ name }) => name.toLowerCase());
  return (
    <>
      <p class="muted">
        Compared with <a href={`/ui/tasks/${encodeURIComponent(success.task_id)}`}>{success.task_id}</a>.
        {same.length === 0 ? '' : ` The same: ${same.join(', ')}.`}
      </p>
      {parts
        .filter((part) => part.differs)
        .map(({ name, diff }) => (
          <details open>
            <summary>{name}</summary>
            {diff === null ? <Empty>One of the two texts is not kept any more.</Empty> : <PatchText patch={diff} />}
          </details>
        ))}
    </>
  );
};
