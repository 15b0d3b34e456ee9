// What a token is bound to: one sha256 over everything that a person was shown.
import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { DispatcherError } from '../errors.js';
import type { Pins } from '../tasks/task.js';

export const sha256Hex = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/**
 * sha256 over the canonical JSON (RFC 8785) of a value.
 * @throws DispatcherError `internal` for what is no JSON: the hash of an empty text would stand for all of it
 */
export function canonicalSha256(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new DispatcherError('internal', 'What was to be hashed is no JSON.');
  return sha256Hex(text);
}

/** The binding of a set of pins: sha256 over their canonical JSON (RFC 8785). */
export function computeBinding({
  directiveSha256,
  payloadSha256,
  filesSha256,
  scriptSha256,
}: Omit<Pins, 'binding' | 'directiveId' | 'directiveVersion'>): string {
  return canonicalSha256({
    directive: directiveSha256,
    payload: payloadSha256,
    files: filesSha256,
    script: scriptSha256,
  });
}

/** The first part of two sets of pins that differs, as `validate-ack` names it; null where they agree. */
export function changedPart(
  pinned: Pins,
  current: Pins,
): 'directive_changed' | 'payload_changed' | 'script_changed' | null {
  if (pinned.directiveSha256 !== current.directiveSha256) return 'directive_changed';
  if (pinned.payloadSha256 !== current.payloadSha256 || pinned.filesSha256 !== current.filesSha256)
    return 'payload_changed';
  if (pinned.scriptSha256 !== current.scriptSha256) return 'script_changed';
  return null;
}
