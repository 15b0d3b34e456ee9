// Two texts compared line by line, for people. However different they are, it takes no longer than a look at both.

/** The work grows with the square of this: beyond it the texts are told one after the other. */
export const mostEdits = 2000;

/** A unified diff; of texts that share too little, all of the one and then all of the other. */
export async function unifiedDiff(
  name: string,
  { before, after }: { before: string; after: string },
  labels: [before: string, after: string] = ['', ''],
): Promise<string> {
  const [from, to] = labels;
  // A file's name must not write lines of its own into what a person reads.
  const title = name.replace(/\p{Cc}/gu, '\ufffd');
  // Loaded where there is a difference to show.
  const { createTwoFilesPatch } = await import('diff');
  const patch = createTwoFilesPatch(title, title, before, after, from, to, { maxEditLength: mostEdits });
  return (
    patch ??
    `${'='.repeat(67)}\n--- ${title}\t${from}\n+++ ${title}\t${to}\n${wholly(before, '-')}${wholly(after, '+')}`
  );
}

/** Every line of a text under one sign. */
export const wholly = (text: string, sign: '-' | '+'): string =>
  text === '' ? '' : `${text.replace(/\n$/, '').replace(/^/gm, sign)}\n`;
