// Text for a terminal. What directives, scripts and payloads bring must not be able to move the cursor or hide itself.
import { styleText } from 'node:util';
import { wantsColour } from './environment.js';

/** What controls a terminal, turns the writing direction or is not seen; but for line feed, tab, and what only chooses an emoji's look. */
export const unseen = /(?!\n|\t|\uFE0E|\uFE0F)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

const escaped = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

/** Makes every control, format and other unseen character visible as `\u{…}`; line ends become line feeds. */
export const visible = (text: string): string => text.replace(/\r\n/g, '\n').replace(unseen, escaped);

/** The same on one line. */
export const visibleLine = (text: string): string => visible(text.replace(/\s*\n\s*/g, ' '));

type Style = Parameters<typeof styleText>[0];

/** Styled text where a person looks at the stream, plain text elsewhere. */
export const styled = (style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string =>
  wantsColour(stream) ? styleText(style, text, { validateStream: false }) : text;

export const bold = (text: string): string => styled('bold', text);
export const dim = (text: string): string => styled('dim', text);

const statusStyles: Record<string, Style> = {
  succeeded: 'green',
  running: 'cyan',
  queued: 'cyan',
  awaiting_ack: 'yellow',
  needs_anneal: 'magenta',
  failed: 'red',
  cancelled: 'dim',
};

export const statusText = (status: string): string => styled(statusStyles[status] ?? 'reset', status);

/** Indents every line. */
export const indented = (text: string, by = '  '): string => text.replace(/^(?=.)/gm, by);

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const colours = /\x1b\[[\d;]*m/g;

/** Takes colours out, which harm nobody and only clutter when they are made visible. */
export const uncoloured = (text: string): string => text.replace(colours, '');

const widthOf = (text: string): number => [...uncoloured(text)].length;

/** Columns of equal width under their heads. Cells are made visible by the caller. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
      .join('  ')
      .trimEnd();
  return [dim(line(head)), ...rows.map(line)].join('\n');
}

/** Text of others under a margin of its own, so that no line of it can pass for one of ours. */
export const quoted = (text: string): string =>
  visible(text)
    .trimEnd()
    .replace(/^/gm, `  ${dim('│')} `);
