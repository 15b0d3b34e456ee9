// What changed between two texts: words where people read prose, lines where they read code.
import { diffWordsWithSpace, structuredPatch } from 'diff';
import { mostEdits, wholly } from '../../unified-diff.js';
import { withHiddenShown } from './hidden-characters.js';

/** Beyond this, words would cost more than they tell: lines are shown instead. */
const mostCharactersForWords = 30_000;

export const WordDiff = ({ before, after }: { before: string; after: string }) => {
  const words =
    before.length + after.length > mostCharactersForWords
      ? undefined
      : diffWordsWithSpace(withHiddenShown(before), withHiddenShown(after), { maxEditLength: mostEdits });
  if (words === undefined) return <LineDiff before={before} after={after} />;
  return (
    <div class="word-diff">
      {words.map(({ value, added, removed }) => {
        if (added) return <ins>{value}</ins>;
        return removed ? <del>{value}</del> : shortened(value);
      })}
    </div>
  );
};

const keptLines = 3;

/** The unchanged text between two changes, without its middle. */
function shortened(text: string): string {
  const lines = text.split('\n');
  if (lines.length <= keptLines * 2 + 2) return text;
  return [
    ...lines.slice(0, keptLines),
    `  ⋯ ${lines.length - keptLines * 2} lines as before ⋯`,
    ...lines.slice(-keptLines),
  ].join('\n');
}

const lineClass = (line: string): string => (line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : '');

export const LineDiff = ({ before, after }: { before: string; after: string }) => {
  const [old, now] = [withHiddenShown(before), withHiddenShown(after)];
  const patch = structuredPatch('', '', old, now, undefined, undefined, { context: 3, maxEditLength: mostEdits });
  if (patch === undefined) return <PatchText patch={wholly(old, '-') + wholly(now, '+')} />;
  const { hunks } = patch;
  return (
    <pre class="line-diff" tabindex={0}>
      {hunks.map((hunk) => (
        <>
          <span class="hunk">{`line ${hunk.newStart}`}</span>
          {hunk.lines.map((line) => (
            <span class={lineClass(line)}>{line}</span>
          ))}
        </>
      ))}
    </pre>
  );
};

/**
 * A unified diff that an operation made, coloured. Content begins with a sign or a space: what begins with `Index:` or `===`
 * is the diff's own, and so are the two lines after it.
 */
export const PatchText = ({ patch }: { patch: string }) => (
  <pre class="line-diff" tabindex={0}>
    {shownLines(withHiddenShown(patch)).map(({ text, tone }) => (
      <span class={tone}>{text}</span>
    ))}
  </pre>
);

function shownLines(patch: string): { text: string; tone: string }[] {
  const lines = patch.replace(/\n$/, '').split('\n');
  return lines.flatMap((text, index) => {
    if (text.startsWith('Index: ') || text.startsWith('===')) return [];
    if (lines[index - 1]?.startsWith('===')) return [{ text: fileName(text), tone: 'file' }];
    if (lines[index - 2]?.startsWith('===')) return [];
    const line = /^@@ .*\+(\d+)/.exec(text)?.[1];
    return [line === undefined ? { text, tone: lineClass(text) } : { text: `line ${line}`, tone: 'hunk' }];
  });
}

const fileName = (header: string): string => header.slice('--- '.length).split('\t', 1)[0] ?? '';
