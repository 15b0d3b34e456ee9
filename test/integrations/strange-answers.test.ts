// What a service answers may be anything: each action tells a strange answer as `upstream`, and never passes it on as its own.
import { describe, expect, it } from 'vitest';
import { createAirtable } from '../../src/integrations/airtable.js';
import { createBase44 } from '../../src/integrations/base44.js';
import { createN8n } from '../../src/integrations/n8n.js';
import { createNetlify } from '../../src/integrations/netlify.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { contextOf, createTestTime, type Reply, startService } from './service.js';

async function against(reply: Reply) {
  const { url } = await startService(() => reply);
  const variables = {
    NETLIFY_AUTH_TOKEN: 'a-token-of-netlify',
    AIRTABLE_API_KEY: 'a-key-of-airtable',
    AIRTABLE_BASE_ID: 'appTest',
    BASE44_API_KEY: 'a-key-of-base44',
    BASE44_APP_ID: 'app1',
    N8N_WEBHOOK_URL: `${url}/webhook/an-id-that-lets-call`,
    N8N_API_URL: url,
    N8N_API_KEY: 'a-key-of-n8n',
  };
  const given = { variables, baseUrl: url, time: createTestTime() };
  const known = [createNetlify(given), createAirtable(given), createN8n(given), createBase44(given)];
  const integrations = createIntegrations(known);
  return (name: string, action: string, input: JsonObject) => integrations.call(name, action, input, contextOf());
}

const calls: [name: string, action: string, input: JsonObject][] = [
  ['netlify', 'sites', {}],
  ['airtable', 'list', { table: 'T' }],
  ['airtable', 'upsert', { table: 'T', records: [{ fields: { a: 1 } }], fields_to_merge_on: ['a'] }],
  ['n8n', 'executions', {}],
  ['base44', 'list', { entity: 'Lead' }],
  ['base44', 'create', { entity: 'Lead', data: {} }],
  ['base44', 'bulk', { entity: 'Lead', records: [{}] }],
  ['base44', 'upsert', { entity: 'Lead', records: [{}], key: ['a'] }],
];

describe.each(calls)('%s %s', (name, action, input) => {
  it.each<[string, Reply]>([
    ['null', { json: null }],
    ['a text', { json: 'hi' }],
    ['a number', { json: 7 }],
    ['a list of texts', { json: ['hi'] }],
    ['half an object', { body: '{"records": [', headers: { 'content-type': 'application/json' } }],
    ['a page of a proxy', { body: '<html>', headers: { 'content-type': 'text/html' } }],
    ['nothing', { status: 204 }],
  ])('refuses %s as upstream, with the status', async (_, reply) => {
    const call = await against(reply);
    await expect(call(name, action, input)).rejects.toMatchObject({
      code: 'upstream',
      details: { status: reply.status ?? 200 },
    });
  });
});

it('a refusal of n8n does not say the id that its address ends with', async () => {
  const message = 'The requested webhook "POST an-id-that-lets-call" is not registered.';
  const call = await against({ status: 404, json: { message } });
  const error = (await call('n8n', 'trigger', {}).catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ code: 'not_found', message: expect.stringContaining('is not registered') });
  expect(error.message).not.toContain('an-id-that-lets-call');
});
