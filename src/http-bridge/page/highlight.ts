// Script source with its syntax coloured on the server: classes alone, no styles, no script.
import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import { withHiddenShown } from './hidden-characters.js';

hljs.registerLanguage('bash', bash);
hljs.registerLanguage('javascript', javascript);
hljs.registerLanguage('json', json);
hljs.registerLanguage('python', python);

const languages: Record<string, string> = {
  py: 'python',
  js: 'javascript',
  mjs: 'javascript',
  sh: 'bash',
  json: 'json',
};

/** Larger texts are shown plain: colouring them would hold up everybody else. */
const mostCharacters = 200_000;

/** Safe HTML of a source text; `name` tells the language by its ending. */
export function highlight(text: string, name: string): string {
  const shown = withHiddenShown(text);
  const language = languages[/\.(\w+)$/.exec(name)?.[1] ?? ''] ?? (/^#!.*\b(ba)?sh\b/.test(text) ? 'bash' : undefined);
  if (language === undefined || shown.length > mostCharacters) return escapeHtml(shown);
  return hljs.highlight(shown, { language, ignoreIllegals: true }).value;
}

const escapes: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (found) => escapes[found] ?? found);
