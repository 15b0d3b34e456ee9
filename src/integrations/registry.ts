// The integrations that this program knows. A call is validated by its action's own schema before it goes out.
import { DispatcherError } from '../errors.js';
import type { ActionContext, Integration, Integrations } from './index.js';

export function createIntegrations(known: readonly Integration[]): Integrations {
  return {
    list: () => [...known],
    async call(name, action, input, context: ActionContext) {
      const integration = known.find((candidate) => candidate.name === name);
      if (integration === undefined) {
        throw new DispatcherError('integration_not_found', `There is no integration ${name}.`, {
          hint: known.length === 0 ? 'There is none.' : `There are ${known.map((one) => one.name).join(', ')}.`,
        });
      }
      const wanted = Object.hasOwn(integration.actions, action) ? integration.actions[action] : undefined;
      if (wanted === undefined) {
        throw new DispatcherError('not_found', `The integration ${name} has no action ${action}.`, {
          hint: `It has ${Object.keys(integration.actions).join(', ')}.`,
        });
      }
      const parsed = wanted.input.strict().safeParse(input);
      if (!parsed.success) {
        const faults = parsed.error.issues.map(({ path, message }) =>
          path.length === 0 ? message : `${path.join('.')}: ${message}`,
        );
        throw new DispatcherError('invalid_input', `${name} ${action} cannot take this input: ${faults.join('; ')}.`, {
          hint: `It takes ${Object.keys(wanted.input.shape).join(', ')}.`,
        });
      }
      return wanted.run(parsed.data as typeof input, context);
    },
  };
}
