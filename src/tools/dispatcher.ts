// What every operation works on: the adapters that app.ts built, and nothing that holds a task's state.
import type { Acks } from '../acks/index.js';
import type { Annealer } from '../anneal/index.js';
import type { AutomationRunner } from '../automations/index.js';
import type { Clock } from '../clock.js';
import type { Config } from '../config.js';
import type { Directives } from '../directives/index.js';
import type { Integrations } from '../integrations/index.js';
import type { JudgedProcess } from '../living.js';
import type { Log } from '../log.js';
import type { Store } from '../queue/store.js';
import type { Redactor } from '../redact.js';

export interface Dispatcher {
  readonly config: Config;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Store;
  readonly directives: Directives;
  readonly acks: Acks;
  readonly annealer: Annealer;
  readonly automations: AutomationRunner;
  readonly integrations: Integrations;
  /** Takes every known secret value out of a text. */
  readonly redact: Redactor;
  /** The processes on the home's list, each with whether it lives. */
  processes(): Promise<JudgedProcess[]>;
  /** Where the page answers now, without a slash at its end. */
  pageAddress(): Promise<string>;
  /** Where a person decides over this task: a page's address without any secret in it. */
  approveUrl(taskId: string): Promise<string>;
}
