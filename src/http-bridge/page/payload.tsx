// A payload as people read it: a table, and the JSON that is hashed and passed on.
import { raw } from 'hono/html';
import type { JsonObject, JsonValue } from '../../tasks/outcome.js';
import { withHiddenShown } from './hidden-characters.js';
import { highlight } from './highlight.js';
import { Empty, prettyJson } from './words.js';

export const Source = ({ text, name }: { text: string; name: string }) => (
  <pre class="source" tabindex={0}>
    <code>{raw(highlight(text, name))}</code>
  </pre>
);

const valueText = (value: JsonValue): string => (typeof value === 'string' ? value : prettyJson(value));

export const Payload = ({ payload }: { payload: JsonObject }) => {
  const entries = Object.entries(payload);
  if (entries.length === 0) return <Empty>The payload is empty.</Empty>;
  return (
    <>
      <div class="scroll">
        <table class="payload">
          <tbody>
            {entries.map(([name, value]) => (
              <tr>
                <th scope="row">{withHiddenShown(name)}</th>
                <td>
                  <span class="value">{withHiddenShown(valueText(value))}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <details>
        <summary>As JSON</summary>
        <Source text={prettyJson(payload)} name="payload.json" />
      </details>
    </>
  );
};
