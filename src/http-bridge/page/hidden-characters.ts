// Characters that a reader cannot see, or that turn the order of what he sees, are shown by their numbers.

const hidden = /(?![\t\n\r])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** The text with every invisible or direction-changing character as `⟨U+202E⟩`. */
export const withHiddenShown = (text: string): string => text.replace(hidden, byNumber);

/** The same with line ends, where each line must be one of ours. */
export const onOneLine = (text: string): string => withHiddenShown(text).replace(/[\t\n\r]/g, byNumber);

const byNumber = (found: string): string =>
  `⟨U+${(found.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`;
