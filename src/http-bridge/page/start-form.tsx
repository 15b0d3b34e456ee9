// A form made of a directive's payload schema: plain fields for plain types, JSON for everything else.
import type { TaskDirective } from '../../directives/index.js';
import { parseJsonStrict } from '../../directives/json.js';
import { DispatcherError } from '../../errors.js';
import type { JsonObject, JsonValue } from '../../tasks/outcome.js';
import type { PageContext } from './env.js';
import type { Form } from './form.js';
import { withHiddenShown } from './hidden-characters.js';
import { Csrf } from './layout.js';

const prefix = 'payload.';

interface Field {
  name: string;
  schema: JsonObject;
  required: boolean;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function fieldsOf(schema: JsonObject | null): Field[] {
  if (schema === null || !isObject(schema.properties)) return [];
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    schema: isObject(property) ? property : {},
    required: required.includes(name),
  }));
}

/**
 * The payload that the form's fields make; an empty field that is not required is left out.
 * @throws DispatcherError `invalid_input` for JSON that does not parse
 */
export function payloadOf(form: Form, schema: JsonObject | null): JsonObject | string {
  const fields = fieldsOf(schema);
  if (fields.length === 0) return form.get('payload_json') ?? '{}';
  const payload: JsonObject = {};
  for (const { name, schema: property, required } of fields) {
    const text = form.get(prefix + name) ?? '';
    if (text === '' && !(required && property.type === 'string')) continue;
    payload[name] = fieldValue(name, text, property);
  }
  return payload;
}

function fieldValue(name: string, text: string, { type }: JsonObject): JsonValue {
  if (type === 'string') return text;
  if (type === 'boolean') return text === 'true';
  if (type === 'number' || type === 'integer') {
    if (!Number.isFinite(Number(text))) throw new DispatcherError('invalid_input', `${name} is no number.`);
    return Number(text);
  }
  return parseJsonStrict(text, name);
}

interface StartFormProps {
  context: PageContext;
  directive: TaskDirective;
  /** What was entered before a refusal. */
  entered: Form | undefined;
}

export const StartForm = ({ context, directive, entered }: StartFormProps) => {
  const { projectId, payload } = directive.frontMatter;
  const fields = fieldsOf(payload);
  return (
    <details {...(entered === undefined ? {} : { open: true })}>
      <summary>Start a task</summary>
      <form class="stacked" method="post" action={`/ui/directives/${encodeURIComponent(directive.id)}/start`}>
        <Csrf context={context} />
        <label for="project_id">Project</label>
        <input
          id="project_id"
          name="project_id"
          required
          maxlength={128}
          value={entered?.get('project_id') ?? (projectId === '*' ? '' : projectId)}
        />
        {fields.length > 0 ? (
          fields.map((field) => <PayloadField {...field} entered={entered?.get(prefix + field.name)} />)
        ) : (
          <>
            <label for="payload_json">Payload, as a JSON object</label>
            <textarea id="payload_json" name="payload_json" rows={4} spellcheck={false}>
              {entered?.get('payload_json') ?? '{}'}
            </textarea>
          </>
        )}
        <button type="submit">Create it</button>
        <p class="muted">Nothing runs before you approve it on the next page.</p>
      </form>
    </details>
  );
};

const textOf = (value: JsonValue | undefined): string => {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
};

const PayloadField = ({ name, schema, required, entered }: Field & { entered: string | undefined }) => {
  const id = prefix + name;
  const secret = schema['x-doe-secret'] === true;
  // A secret is typed anew: no page gives one back.
  const given = (secret ? undefined : entered) ?? textOf(schema.default);
  const common = { id, name: id, required };
  const type = secret ? 'password' : 'text';
  return (
    <>
      <label for={id}>
        {withHiddenShown(typeof schema.title === 'string' ? schema.title : name)}
        {required ? '' : <span class="muted"> (optional)</span>}
        {typeof schema.description === 'string' ? (
          <span class="muted"> {withHiddenShown(schema.description)}</span>
        ) : null}
      </label>
      {Array.isArray(schema.enum) && schema.type === 'string' ? (
        <select {...common}>
          {required ? null : <option value="" />}
          {schema.enum.map((value) => (
            <option value={String(value)} selected={String(value) === given}>
              {String(value)}
            </option>
          ))}
        </select>
      ) : schema.type === 'boolean' ? (
        <select {...common}>
          {required ? null : <option value="" />}
          <option value="true" selected={given === 'true'}>
            true
          </option>
          <option value="false" selected={given === 'false'}>
            false
          </option>
        </select>
      ) : schema.type === 'string' || schema.type === 'number' || schema.type === 'integer' ? (
        <input
          {...common}
          type={type}
          autocomplete="off"
          inputmode={schema.type === 'string' ? 'text' : 'decimal'}
          value={given}
        />
      ) : (
        <textarea {...common} rows={3} spellcheck={false} placeholder="JSON">
          {given}
        </textarea>
      )}
    </>
  );
};
