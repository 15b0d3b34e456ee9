// An operator's one-time yes to one exact content. What was shown, by its hashes, is what is trusted.
import { z } from 'zod';
import type { Script, TaskDirective } from '../directives/index.js';
import { asksForTrust, effectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import { type Beside, besideKey, fileList } from '../queue/contents.js';
import type { TrustItem, TrustKind } from '../queue/store.js';
import { unifiedDiff } from '../unified-diff.js';
import type { Dispatcher } from './dispatcher.js';
import { defineOperation } from './operation.js';
import { keepWithFiles } from './pinning.js';
import { byOf, requireOperator } from './views.js';

const kind = z.enum(['directive', 'automation']);
const item = z.object({ kind, id: z.string(), sha256: z.string(), script_sha256: z.string().nullable() });

const entrySchema = item.extend({
  trusted: z.boolean(),
  asks_for: z.array(z.string()).describe('What takes effect only once it is trusted'),
  diff: z.string().describe('Unified diff against what was trusted last, or the whole text where nothing was'),
  error: z.string().nullable(),
});
type Entry = z.infer<typeof entrySchema>;

export const listTrust = defineOperation({
  name: 'list_trust',
  title: 'List what asks for trust',
  description: 'Directives and automations that ask for more than an untrusted one may have, each with its diff.',
  input: z.object({}),
  output: z.object({ items: z.array(entrySchema) }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: false,
  run: async (dispatcher) => ({ items: await trustEntries(dispatcher) }),
});

export const trustItems = defineOperation({
  name: 'trust_items',
  title: 'Trust exact contents',
  description: "Remembers an operator's yes to exactly these contents.",
  input: z.object({ items: z.array(item).min(1).max(500) }),
  output: z.object({ trusted: z.array(item) }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tool: false,
  async run(dispatcher, { items }, call) {
    requireOperator(call, 'Trusting a directive or automation');
    const present = await trustEntries(dispatcher);
    for (const wanted of items) {
      const now = present.find((entry) => entry.kind === wanted.kind && entry.id === wanted.id);
      if (now?.sha256 === wanted.sha256 && now.script_sha256 === wanted.script_sha256) continue;
      throw new DispatcherError(
        'changed_since_shown',
        `The ${wanted.kind} ${wanted.id} is not what was shown any more; nothing was trusted.`,
        {
          hint: 'Look at it again, then trust what is there now.',
        },
      );
    }
    await dispatcher.store.people.trust(
      items.map(({ script_sha256, ...rest }) => ({ ...rest, scriptSha256: script_sha256 })),
      byOf(call),
    );
    return { trusted: items };
  },
});

/** Everything that trust would change something for, with what an operator must see before the yes. */
export async function trustEntries(dispatcher: Dispatcher): Promise<Entry[]> {
  const directives = (await dispatcher.directives.list()).filter((directive) => directive.kind === 'task');
  const asking = directives.filter(asksForTrust);
  const automations = (await dispatcher.automations.sources()).filter(({ source }) => source === 'home');
  return [
    ...(await Promise.all(asking.map((directive) => directiveEntry(dispatcher, directive)))),
    ...(await Promise.all(
      automations.map(({ name, sha256, text }) =>
        entry(
          dispatcher,
          { kind: 'automation', id: name, sha256, scriptSha256: null },
          { text, asksFor: ['to be loaded'] },
        ),
      ),
    )),
  ];
}

async function directiveEntry(dispatcher: Dispatcher, directive: TaskDirective): Promise<Entry> {
  const asksFor = effectivePolicy(directive.frontMatter, false, 'client').withheld;
  try {
    const { sha256: scriptSha256, script, ...rest } = await dispatcher.directives.scriptDigest(directive);
    await dispatcher.store.ledger.keep([{ sha256: scriptSha256, kind: 'script', text: script.text }]);
    return await entry(
      dispatcher,
      { kind: 'directive', id: directive.id, sha256: directive.sha256, scriptSha256 },
      { text: directive.content, script: script.text, ...rest, asksFor },
    );
  } catch (error) {
    if (!(error instanceof DispatcherError)) throw error;
    return {
      kind: 'directive',
      id: directive.id,
      sha256: directive.sha256,
      script_sha256: null,
      trusted: false,
      asks_for: asksFor,
      diff: '',
      error: error.message,
    };
  }
}

interface Shown {
  text: string;
  script?: string;
  fixScript?: Script | null;
  covered?: Record<string, string>;
  asksFor: string[];
}

async function entry(dispatcher: Dispatcher, wanted: TrustItem, shown: Shown): Promise<Entry> {
  const { text, script, fixScript = null, covered = {}, asksFor } = shown;
  const { people, ledger } = dispatcher.store;
  await ledger.keep([{ sha256: wanted.sha256, kind: wanted.kind === 'directive' ? 'directive' : 'script', text }]);
  const last = await people.lastTrusted(wanted.kind as TrustKind, wanted.id);
  const before = (sha256: string | null | undefined) => formerText(ledger, sha256);
  const diffs = [
    await patch(wanted.id, await before(last?.sha256), text),
    ...(script === undefined ? [] : [await patch(`${wanted.id} (script)`, await before(last?.scriptSha256), script)]),
    ...(await besides(dispatcher, { wanted, last: last?.scriptSha256 ?? null, fixScript, covered })),
  ];
  return {
    kind: wanted.kind,
    id: wanted.id,
    sha256: wanted.sha256,
    script_sha256: wanted.scriptSha256,
    trusted: await people.isTrusted(wanted),
    asks_for: asksFor,
    diff: diffs.filter(Boolean).join('\n'),
    error: null,
  };
}

interface Besides {
  wanted: TrustItem;
  /** The script digest that was trusted last. */
  last: string | null;
  fixScript: Script | null;
  covered: Record<string, string>;
}

/** What the yes covers besides the script: its fix_script, and by name and hash every file that it can load. */
async function besides(
  { store, directives }: Dispatcher,
  { wanted, last, fixScript, covered }: Besides,
): Promise<string[]> {
  if (wanted.scriptSha256 === null) return [];
  const texts = { 'fix script': fixScript?.text ?? '', 'files that the script can load': fileList(covered) };
  const now = wanted.scriptSha256;
  const parts = Object.entries(texts) as [Beside, string][];
  const kept = parts.map(([what, text]) => ({ sha256: besideKey(what, now), kind: 'script' as const, text }));
  await keepWithFiles({ store, directives }, kept, covered);
  return Promise.all(
    parts.map(async ([what, text]) => {
      const before = await formerText(store.ledger, last === null ? null : besideKey(what, last));
      const shown = { ...before, text: forPeople(before.text, what) };
      return patch(`${wanted.id} (${what})`, shown, forPeople(text, what));
    }),
  );
}

/** Nobody compares more than the beginning of a hash by eye. */
const forPeople = (text: string, what: Beside): string =>
  what === 'fix script' ? text : text.replace(/^([0-9a-f]{12})[0-9a-f]{52} /gm, '$1 ');

interface Former {
  text: string;
  /** What a person reads over it. */
  label: string;
}

async function formerText(
  ledger: Pick<Dispatcher['store']['ledger'], 'content'>,
  sha256: string | null | undefined,
): Promise<Former> {
  if (sha256 == null) return { text: '', label: 'never trusted' };
  const text = await ledger.content(sha256);
  return text === null ? { text: '', label: 'trusted, and no longer kept' } : { text, label: 'trusted' };
}

const patch = async (name: string, { text: before, label }: Former, after: string): Promise<string> =>
  before === after ? '' : unifiedDiff(name, { before, after }, [label, 'now']);
