// What an automation of the home may import: Node's own modules and zod. Any further file would run without having been trusted.
import { isBuiltin } from 'node:module';

export function resolve(specifier, context, next) {
  const fromAutomation = context.parentURL?.startsWith('data:') ?? false;
  if (!fromAutomation || isBuiltin(specifier)) return next(specifier, context);
  if (specifier === 'zod') return next(specifier, { ...context, parentURL: import.meta.url });
  throw new Error(
    `it imports ${JSON.stringify(specifier)}; an automation is one file and imports only Node's own modules and zod, since trust covers that file alone`,
  );
}
