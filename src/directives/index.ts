// The port to directives: what the disk says at the moment of use, and what exactly an ack would cover.
import { besideKey, fileList } from '../queue/contents.js';
import type { ContentKind, PinnedWork } from '../queue/store.js';
import type { JsonObject } from '../tasks/outcome.js';
import type { Assurance, Pins } from '../tasks/task.js';

/** A directive's front matter with every default filled in. */
export interface FrontMatter {
  id: string;
  taskType: string;
  projectId: string;
  title: string;
  version: number;
  owner: string | null;
  /** As written, or null: the default is looked up beside the task type. */
  script: string | null;
  fixScript: string | null;
  requireAck: boolean;
  ack: Assurance;
  ackTtlMs: number;
  /** Whose passkeys count; empty: anybody's. */
  approvers: string[];
  /** How many owners of different passkeys must agree. */
  quorum: number;
  questions: string[];
  autoAnneal: boolean;
  includes: string[];
  retry: { count: number; backoffMs: number; onInterrupt: boolean };
  timeoutMs: number;
  concurrency: number;
  /** JSON Schema 2020-12, or null: any object. */
  payload: JsonObject | null;
  secrets: string[];
  integrations: string[];
  env: string[];
  /** The script runs only inside a sandbox; null for none. */
  sandbox: Sandbox | null;
}

/** What a sandboxed script may do beyond reading. */
export interface Sandbox {
  /** Folders of the home that it may write, relative to it. */
  write: string[];
  /** Whether it reaches more than the dispatcher. */
  network: boolean;
}

export interface DirectiveFile {
  id: string;
  /** Relative to the home, such as `directives/import-site.md`. */
  file: string;
  title: string;
  /** The whole text of the file; its sha256 names the revision. */
  content: string;
  sha256: string;
  modifiedAt: number;
}

export type Directive =
  | (DirectiveFile & { kind: 'task'; frontMatter: FrontMatter; body: string })
  /** A file without front matter: listed and readable, no task can be made of it. */
  | (DirectiveFile & { kind: 'reference'; body: string })
  /** Does not parse, or matches the same task type and project as another. */
  | (DirectiveFile & { kind: 'broken'; error: string });

export type TaskDirective = Extract<Directive, { kind: 'task' }>;

export interface Script {
  /** As the directive names it, relative to execution/. */
  name: string;
  /** Absolute, contained in execution/. */
  path: string;
  text: string;
  /** Of the file's bytes as `text` was read from them. */
  sha256: string;
}

/** A directive with its payload and script as they are on disk now: everything that an ack would cover. */
export interface Pinned extends Omit<PinnedWork, 'policy'> {
  directive: TaskDirective;
  payload: JsonObject;
  script: Script;
  fixScript: Script | null;
  /** The digests of the files that the script can load, by their names in execution/. */
  covered: Record<string, string>;
}

export interface Directives {
  /** Every directive, by id; broken ones with their error. */
  list(): Promise<Directive[]>;
  /** Null where there is none of this id. */
  byId(id: string): Promise<Directive | null>;
  /**
   * The directive for a task: an exact project wins over "*".
   * @throws `directive_not_found` (with the nearest names), `directive_broken`, `directive_is_reference`
   */
  find(taskType: string, projectId: string): Promise<TaskDirective>;
  /**
   * Checks the payload against the directive's schema, hashes the files that it names and the script with all that it can load.
   * `payload` is a JSON text or a parsed object; undefined is `{}`.
   * @throws `invalid_payload` naming every fault by its path, `too_large` over 64 KiB, `script_missing`, `too_much_covered`
   */
  pin(directive: TaskDirective, payload: string | JsonObject | undefined): Promise<Pinned>;
  /**
   * The payload's own digest and that over the files that it names, without a look at the script.
   * @throws `invalid_payload`, `invalid_input`, `too_large`
   */
  payloadDigests(
    directive: TaskDirective,
    payload: string | JsonObject | undefined,
  ): Promise<Pick<Pins, 'payloadSha256' | 'filesSha256'>>;
  /**
   * The directive's script with the digest over all that it can load, and those files' own.
   * @throws `script_missing`, `too_much_covered`
   */
  scriptDigest(
    directive: TaskDirective,
  ): Promise<{ sha256: string; script: Script; fixScript: Script | null; covered: Record<string, string> }>;
  /** The texts of those of these files of execution/ that still have their digests; without what is large or no text. */
  texts(covered: Record<string, string>): { sha256: string; text: string }[];
  /** Calls back when a file in directives/ or execution/ changed; brings news sooner, decides nothing. */
  watch(listener: () => void): () => void;
  close(): Promise<void>;
}

/** The texts behind a pin, for `ledger.keep`. */
export function pinnedContents(pinned: Pinned): { sha256: string; kind: ContentKind; text: string }[] {
  const script = pinned.pins.scriptSha256;
  return [
    { sha256: pinned.directive.sha256, kind: 'directive', text: pinned.directive.content },
    { sha256: script, kind: 'script', text: pinned.script.text },
    { sha256: besideKey('fix script', script), kind: 'script', text: pinned.fixScript?.text ?? '' },
    { sha256: besideKey('files that the script can load', script), kind: 'script', text: fileList(pinned.covered) },
  ];
}
