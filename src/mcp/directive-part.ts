// A directive too long for one answer is read in parts, each from the character where the one before ended.
import type { z } from 'zod';
import type { Dispatcher } from '../tools/dispatcher.js';
import { type createTask, readDirective } from '../tools/index.js';
import { type CallContext, invoke, parseInput } from '../tools/operation.js';
import { textFrom } from '../tools/views.js';
import type { Cut } from './shorten.js';
import { type ResultOptions, safeText } from './tool-result.js';

interface Part {
  value: z.input<typeof readDirective.output>;
  more: NonNullable<ResultOptions['more']>;
}

/**
 * The directive with its text from `offset` on. Offsets count in the text as models get it: a part that was cut out first and
 * cleaned then could begin in the middle of a secret, which nothing would know as one.
 */
export async function readPart(dispatcher: Dispatcher, input: object, call: CallContext): Promise<Part> {
  const { offset, ...wanted } = parseInput(readDirective, input);
  const answer = await invoke(dispatcher, readDirective, wanted, call);
  const whole = safeText(answer.content, dispatcher.redact);
  const content = textFrom(whole, offset);
  const more = (cuts: Cut[]) => {
    const cut = cuts.find(({ path }) => path === 'content');
    if (cut === undefined) return { way: 'The front matter, at the beginning of content, has the whole.' };
    const end = whole.length - content.length + Number(cut.shown);
    return {
      way: `content ends at character ${end} of ${whole.length}; for what follows ${readOn(answer, end)}. ${asResource(answer)}`,
    };
  };
  return { value: { ...answer, content }, more };
}

const asResource = ({ id }: { id: string }): string =>
  `The whole is also the resource directive://${encodeURIComponent(id)}.`;

/** By its hash, so that all parts are of one revision. */
const readOn = ({ id, sha256 }: { id: string; sha256: string }, offset: number): string =>
  `call read_directive with ${JSON.stringify({ id, sha256, offset })}`;

/** Where `create_task` could not show the whole directive, its `next` must not say that it is there to read. */
export const moreOfCreated =
  ({ task_id, status, directive, next }: z.input<typeof createTask.output>): NonNullable<ResultOptions['more']> =>
  (cuts) => {
    const cut = cuts.find(({ path }) => path === 'directive.content');
    if (cut === undefined) return { way: asResource(directive) };
    const rest = `${readOn(directive, Number(cut.shown))}, and so on to its end`;
    const then = status === 'awaiting_ack' ? `call acknowledge with task_id ${task_id}.` : next;
    return {
      way: `directive.content ends at character ${cut.shown} of ${cut.of}; for what follows ${rest}. ${asResource(directive)}`,
      fields: { next: `First read the rest of the directive: ${rest}. Then ${then}` },
    };
  };
