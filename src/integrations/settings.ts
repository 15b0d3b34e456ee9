// Settings of the services, by the names under which the environment holds them.
import { DispatcherError } from '../errors.js';

export type Variables = Readonly<Record<string, string>>;

/** The setting, or null where it is unset or empty. */
export const setting = (variables: Variables, name: string): string | null => variables[name] || null;

/** @throws DispatcherError `not_configured` */
export function requireSetting(variables: Variables, name: string, service: string): string {
  const value = setting(variables, name);
  if (value !== null) return value;
  throw new DispatcherError('not_configured', `${service} cannot be called: ${name} is not set.`, {
    hint: `An operator sets ${name} in the environment or in the home's .env, then starts the server again.`,
  });
}
