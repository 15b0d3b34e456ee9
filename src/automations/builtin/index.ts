// The automations that come with the program, by the name that callers use.
import type { z } from 'zod';
import type { Automation } from '../definition.js';
import * as copyTemplate from './copy-template.js';
import * as createClientFolder from './create-client-folder.js';
import * as listClients from './list-clients.js';

// biome-ignore lint/suspicious/noExplicitAny: automations of any params, for a list; each parses its own before it runs
export type AnyAutomation = Automation<z.ZodObject<any>>;

export const builtins: ReadonlyMap<string, AnyAutomation> = new Map<string, AnyAutomation>([
  ['create-client-folder', createClientFolder],
  ['copy-template', copyTemplate],
  ['list-clients', listClients],
]);
