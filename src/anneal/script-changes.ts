// What differs between two script digests: the script, its fix_script, and each file that the script can load, by its name
// and, where its text was kept, line by line.
import { sha256Hex } from '../acks/binding.js';
import { type Beside, besideKey, filesOf } from '../queue/contents.js';
import type { LedgerStore } from '../queue/store.js';
import { unifiedDiff } from '../unified-diff.js';

export interface ScriptChanges {
  /** Unified; null where the script's own text is no longer kept. */
  diff: string | null;
  /** The script's own file and its fix_script are among them where they lie in what is covered. */
  files: { name: string; change: 'changed' | 'added' | 'removed' }[];
}

export interface Compared {
  /** Of the diff's heading for the script itself. */
  name: string;
  before: string;
  after: string;
  labels?: [before: string, after: string];
}

/** Nothing changed: an empty diff and no files. */
export async function scriptChanges(
  { content }: Pick<LedgerStore, 'content'>,
  { name, before, after, labels = ['', ''] }: Compared,
): Promise<ScriptChanges> {
  if (before === after) return { diff: '', files: [] };
  const beside = (what: Beside) => Promise.all([before, after].map((script) => content(besideKey(what, script))));
  const [oldScript = null, newScript = null] = await Promise.all([content(before), content(after)]);
  const [oldFix, newFix] = await beside('fix script');
  const [oldList, newList] = await beside('files that the script can load');
  const files = changedFiles(oldList ?? '', newList ?? '');
  if (oldScript === null || newScript === null) return { diff: null, files: files.map(named) };
  const patch = async (title: string, old: string, now: string) =>
    old === now ? '' : unifiedDiff(title, { before: old, after: now }, labels);
  const shown = new Set([oldScript, newScript, oldFix ?? '', newFix ?? ''].map(sha256Hex));
  const others = files.filter(({ old, now }) => !(shown.has(old ?? now ?? '') && shown.has(now ?? old ?? '')));
  const parts = [
    await patch(name, oldScript, newScript),
    await patch('fix_script', oldFix ?? '', newFix ?? ''),
    ...(await Promise.all(others.map(async (file) => patchOf(file, content, patch)))),
  ];
  const diff = parts.join('');
  return { diff: diff === '' ? `${name} or what it loads differs\n` : diff, files: files.map(named) };
}

interface ChangedFile {
  name: string;
  /** Hashes; null where it was not there. */
  old: string | null;
  now: string | null;
}

function changedFiles(before: string, after: string): ChangedFile[] {
  const [old, now] = [filesOf(before), filesOf(after)];
  return [...new Set([...old.keys(), ...now.keys()])]
    .sort()
    .map((name) => ({ name, old: old.get(name) ?? null, now: now.get(name) ?? null }))
    .filter((file) => file.old !== file.now);
}

const changeOf = ({ old, now }: ChangedFile) => (old === null ? 'added' : now === null ? 'removed' : 'changed');
const named = (file: ChangedFile) => ({ name: file.name, change: changeOf(file) }) as const;

/** Large and binary files are only named. */
async function patchOf(
  file: ChangedFile,
  content: LedgerStore['content'],
  patch: (title: string, old: string, now: string) => Promise<string>,
): Promise<string> {
  const text = async (sha256: string | null) => (sha256 === null ? '' : content(sha256));
  const [old, now] = await Promise.all([text(file.old), text(file.now)]);
  const title = `execution/${file.name}`;
  if (old === null || now === null) return `${title} was ${changeOf(file)}\n`;
  return patch(title, old, now);
}
