// The services that this program knows, with a home's settings.
import type { Config } from '../config.js';
import { createAirtable } from './airtable.js';
import { createBase44 } from './base44.js';
import type { Integration } from './index.js';
import { createN8n } from './n8n.js';
import { createNetlify } from './netlify.js';

export const knownIntegrations = ({ variables }: Pick<Config, 'variables'>): Integration[] => [
  createNetlify({ variables }),
  createAirtable({ variables }),
  createN8n({ variables }),
  createBase44({ variables }),
];
