// Lists of which a page may be too long for a model: asked for again with a limit that fits, so that next_cursor goes on
// right behind the last entry that is shown.
import type { Dispatcher } from '../tools/dispatcher.js';
import { type AnyOperation, type CallContext, invoke } from '../tools/operation.js';
import { entriesThatFit, type ResultOptions } from './tool-result.js';
import { withNote } from './untrusted.js';

/** The fields that hold the entries of lists with a limit and a cursor. */
const lists: Record<string, string> = { list_tasks: 'tasks', list_directives: 'directives' };

export const hasPages = ({ name }: AnyOperation): boolean => name in lists;

/** The operation's answer, with no more entries than `toolResult` shows with these options. */
export async function fittingPage(
  dispatcher: Dispatcher,
  { operation, input, call }: { operation: AnyOperation; input: object; call: CallContext },
  options: ResultOptions,
): Promise<object> {
  const ask = (limited: object) => invoke(dispatcher, operation, { ...input, ...limited }, call);
  const list = lists[operation.name] ?? '';
  let page = withNote(operation.name, await ask({}));
  // What is listed may change meanwhile; the limit only falls.
  for (;;) {
    const limit = entriesThatFit(page, list, options);
    if (limit >= entriesIn(page, list)) return page;
    const truncated = `This page has the first ${limit}, since more would be too long: go on with next_cursor as cursor.`;
    page = withNote(operation.name, { ...(await ask({ limit })), truncated });
  }
}

const entriesIn = (page: object, list: string): number => (page as Record<string, unknown[]>)[list]?.length ?? 0;
