// Reading is allowed to everyone who may speak here; resources are read as an agent reads.
import type { Caller } from '../tasks/task.js';

export const reader: Caller = { principal: 'agent', channel: 'mcp', keyId: null, person: null };
