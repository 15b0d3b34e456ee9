// A task's payload: parsed once, checked against the directive, canonical, with the content of the files that it names.
import { lstat, realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { sha256Hex } from '../acks/binding.js';
import { DispatcherError } from '../errors.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { containedPath } from './contain.js';
import { digestOf, fileSha256, treeDigests } from './digest.js';
import { canonicalJson, depthOf, maxDepth, parseJsonStrict } from './json.js';
import { whyClosed } from './ordinary-place.js';
import { checkPayload, type Marked } from './payload-schema.js';

export const maxPayloadBytes = 64 * 1024;

export interface CanonicalPayload {
  payload: JsonObject;
  payloadJson: string;
  payloadSha256: string;
}

export interface CheckedPayload extends CanonicalPayload {
  filesSha256: string | null;
  secretPaths: string[];
}

const nothingMarked: Marked = { paths: [], secrets: [] };

/**
 * What a payload is by itself, before any directive has a say.
 * @param given a JSON text or a parsed object; undefined is `{}`
 * @throws DispatcherError `invalid_payload`, `invalid_input`, `too_large`
 */
export function canonicalPayload(given: string | JsonObject | undefined): CanonicalPayload {
  if (typeof given === 'string' && Buffer.byteLength(given) > maxPayloadBytes) throw tooLarge();
  const payload = typeof given === 'string' ? parseJsonStrict(given, 'payload_json') : (given ?? {});
  if (payload === null || typeof payload !== 'object' || Array.isArray(payload)) {
    throw new DispatcherError('invalid_payload', 'The payload must be a JSON object.', {
      hint: 'Send {"key": value, …}.',
    });
  }
  if (typeof given !== 'string' && depthOf(JSON.stringify(payload)) > maxDepth) {
    throw new DispatcherError('invalid_payload', `The payload is nested more than ${maxDepth} levels deep.`, {
      hint: 'Send flatter JSON.',
    });
  }
  const payloadJson = canonicalJson(payload);
  if (Buffer.byteLength(payloadJson) > maxPayloadBytes) throw tooLarge();
  return { payload, payloadJson, payloadSha256: sha256Hex(payloadJson) };
}

/**
 * The same, checked against the directive's schema, with the content of the files that it names.
 * @throws DispatcherError `invalid_payload`, `invalid_input`, `too_large`, `too_much_covered`
 */
export async function checkedPayload(
  home: string,
  schema: JsonObject | null,
  given: string | JsonObject | undefined,
): Promise<CheckedPayload> {
  const canonical = canonicalPayload(given);
  const { payload } = canonical;
  const marked = schema === null ? nothingMarked : checkPayload(schema, payload);
  return {
    ...canonical,
    filesSha256: marked.paths.length === 0 ? null : await namedFilesDigest(home, payload, marked.paths),
    secretPaths: marked.secrets,
  };
}

const tooLarge = (): DispatcherError =>
  new DispatcherError('too_large', `The payload is larger than ${maxPayloadBytes / 1024} KiB.`, {
    hint: 'Put large data into a file of the home and name the file.',
  });

async function namedFilesDigest(home: string, payload: JsonObject, pointers: string[]): Promise<string> {
  const digests: Record<string, string> = {};
  for (const pointer of pointers) digests[pointer] = await namedFileDigest(home, pointer, valueAt(payload, pointer));
  return digestOf(digests);
}

const valueAt = (payload: JsonObject, pointer: string): JsonValue | undefined =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<JsonValue | undefined>((value, key) => (value as JsonObject | undefined)?.[key], payload);

async function namedFileDigest(home: string, pointer: string, name: JsonValue | undefined): Promise<string> {
  const refuse = (why: string) =>
    new DispatcherError('invalid_payload', `The payload does not fit the directive: ${pointer} ${why}.`, {
      hint: 'Name a file or folder inside the home, relative to it.',
      details: { faults: [{ path: pointer, message: why }] },
    });
  if (typeof name !== 'string' || name === '') throw refuse('must name a file or folder');
  const found = await containedPath(home, name);
  if (found === 'outside') throw refuse('leads out of the home');
  if (found === 'missing') throw refuse(`names ${JSON.stringify(name)}, which does not exist in the home`);
  // What the name stands for counts, links and all: a link to .env is .env.
  const real = relative(await realpath(home), found.path);
  const closed = whyClosed(real);
  if (closed !== null) throw refuse(`names ${JSON.stringify(name)}, which ${closed}`);
  const facts = await lstat(found.path);
  if (facts.isFile())
    return fileSha256(found.path).catch((error: NodeJS.ErrnoException) => {
      throw refuse(`cannot be read (${error.code})`);
    });
  if (!facts.isDirectory()) throw refuse('is neither a file nor a folder');
  return digestOf(
    await treeDigests(found.path, {
      patterns: ['**/*'],
      hidden: true,
      folderLinks: true,
      refuse,
      limits: { files: 20_000, bytes: 1024 ** 3 },
    }),
  );
}
