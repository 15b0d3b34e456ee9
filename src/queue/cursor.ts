// Opaque page cursors: a caller may only give back what a page gave it.
import { DispatcherError } from '../errors.js';

export const toCursor = (seq: number): string => Buffer.from(`s${seq}`).toString('base64url');

/** @throws DispatcherError `invalid_input` */
export function fromCursor(cursor: string | undefined): number | null {
  if (cursor === undefined) return null;
  const match = /^s(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString());
  if (match?.[1] === undefined || toCursor(Number(match[1])) !== cursor) {
    throw new DispatcherError('invalid_input', 'cursor is not one that a page gave.', {
      hint: 'Pass next_cursor of the page before, or leave it out.',
    });
  }
  return Number(match[1]);
}
