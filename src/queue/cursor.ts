// Opaque page cursors: a caller may only give back what a page of the same list gave it.
import { DispatcherError } from '../errors.js';

export type CursorKind = 'tasks' | 'oldest_tasks' | 'anneals';

export const toCursor = (kind: CursorKind, seq: number): string => Buffer.from(`${kind}:${seq}`).toString('base64url');

/** @throws DispatcherError `invalid_input` */
export function fromCursor(kind: CursorKind, cursor: string | undefined): number | null {
  if (cursor === undefined) return null;
  const seq = /^(\w+):(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString())?.[2];
  if (seq === undefined || toCursor(kind, Number(seq)) !== cursor) {
    throw new DispatcherError('invalid_input', 'cursor is not one that a page gave.', {
      hint: 'Pass next_cursor of the page before, or leave it out.',
    });
  }
  return Number(seq);
}
