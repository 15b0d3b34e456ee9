// What changed between two texts: words where people read prose, lines where they read code.
import { diffWordsWithSpace, structuredPatch } from 'diff';
import { withHiddenShown } from './hidden-characters.js';

/** Beyond this, words would cost more than they tell: lines are shown instead. */
const mostCharactersForWords = 30_000;

export const WordDiff = ({ before, after }: { before: string; after: string }) => {
  if (before.length + after.length > mostCharactersForWords) return <LineDiff before={before} after={after} />;
  return (
    <div class="word-diff">
      {diffWordsWithSpace(withHiddenShown(before), withHiddenShown(after)).map(({ value, added, removed }) => {
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
  const { hunks } = structuredPatch('', '', withHiddenShown(before), withHiddenShown(after), undefined, undefined, {
    context: 3,
  });
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

/** A unified diff that an operation made, coloured. */
export const PatchText = ({ patch }: { patch: string }) => (
  <pre class="line-diff" tabindex={0}>
    {withHiddenShown(patch)
      .split('\n')
      .map((line) => (
        <span class={line.startsWith('@@') ? 'hunk' : lineClass(line)}>{line}</span>
      ))}
  </pre>
);
