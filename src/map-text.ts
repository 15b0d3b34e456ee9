// JSON values whose every text goes through one function, such as one that takes secrets out.
import type { JsonObject, JsonValue } from './tasks/outcome.js';

/** The value with `change` applied to every string in it, names of fields included. Fields that are undefined are left out. */
export function mapText(value: JsonValue | undefined, change: (text: string) => string): JsonValue {
  if (typeof value === 'string') return change(value);
  if (value === null || typeof value !== 'object') return value ?? null;
  if (Array.isArray(value)) return value.map((item) => mapText(item, change));
  // Every answer passes here: a loop takes a third of what entries and their way back take.
  const mapped: JsonObject = {};
  for (const name of Object.keys(value)) {
    const field = value[name];
    if (field !== undefined) setOwn(mapped, change(name), mapText(field, change));
  }
  return mapped;
}

/** An assignment to `__proto__` would set the prototype, and the field would be lost. */
function setOwn(holder: JsonObject, name: string, value: JsonValue): void {
  if (name !== '__proto__') holder[name] = value;
  else Object.defineProperty(holder, name, { value, enumerable: true, writable: true, configurable: true });
}
