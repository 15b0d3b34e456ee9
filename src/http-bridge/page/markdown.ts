// Directive text is data that somebody wrote, perhaps somebody hostile: its Markdown is rendered, its HTML is shown as text.
import MarkdownIt from 'markdown-it';
import { FilterXSS } from 'xss';
import { withinTime } from '../../time-limit.js';
import { withHiddenShown } from './hidden-characters.js';

const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false }).disable('image');

markdown.renderer.rules.link_open = (tokens, index, options, _env, self) => {
  const token = tokens[index];
  token?.attrSet('rel', 'noopener noreferrer nofollow');
  return self.renderToken(tokens, index, options);
};

/** A second lock: whatever the renderer makes, only these elements and attributes come out. */
const filter = new FilterXSS({
  allowList: {
    ...Object.fromEntries(
      ['p', 'br', 'hr', 'em', 'strong', 's', 'blockquote', 'ul', 'li', 'pre', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6'].map(
        (tag) => [tag, []],
      ),
    ),
    ...Object.fromEntries(['table', 'thead', 'tbody', 'tr', 'th', 'td', 'code'].map((tag) => [tag, []])),
    ol: ['start'],
    a: ['href', 'title', 'rel'],
  },
  css: false,
  onTagAttr: (_tag, name, value) => (name === 'href' && !/^(https?:|mailto:|#|\/)/i.test(value) ? '' : undefined),
});

/** Of a text that was made to take long, the source is shown. */
const longestMs = 2000;

/** Safe HTML of a Markdown text. Headings begin a level lower, under the page's own. */
export function renderMarkdown(text: string): string {
  const rendered = withinTime(() => render(text), longestMs);
  return rendered?.value ?? `<pre>${markdown.utils.escapeHtml(withHiddenShown(text))}</pre>`;
}

function render(text: string): string {
  const tokens = markdown.parse(withHiddenShown(text), {});
  for (const token of tokens) {
    if (/^h[1-6]$/.test(token.tag)) token.tag = `h${Math.min(6, Number(token.tag[1]) + 2)}`;
  }
  return filter.process(markdown.renderer.render(tokens, markdown.options, {}));
}
