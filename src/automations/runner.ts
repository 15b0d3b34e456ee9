// Automations: none yet.
import type { Config } from '../config.js';
import { DispatcherError } from '../errors.js';
import type { Integrations } from '../integrations/index.js';
import type { Log } from '../log.js';
import type { Store } from '../queue/store.js';
import type { AutomationRunner } from './index.js';

export interface AutomationOptions {
  config: Config;
  store: Store;
  integrations: Integrations;
  log: Log;
  redact: (text: string) => string;
}

export const createAutomations = (_options: AutomationOptions): AutomationRunner => ({
  list: async () => [],
  sources: async () => [],
  run: async (name) => {
    throw new DispatcherError('automation_not_found', `There is no automation ${name}.`);
  },
  close: async () => {},
});
