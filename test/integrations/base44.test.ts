import { describe, expect, it } from 'vitest';
import { createBase44 } from '../../src/integrations/base44.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { contextOf, createTestTime, type Reply, type Sent, startService } from './service.js';

const settings = { BASE44_API_KEY: 'base44-key', BASE44_APP_ID: 'app1' };

async function base44(reply: (request: Sent, before: number) => Reply, variables: Record<string, string> = settings) {
  const service = await startService(reply);
  const integration = createBase44({ variables, baseUrl: `${service.url}/api`, time: createTestTime() });
  const integrations = createIntegrations([integration]);
  const call = (action: string, input: JsonObject) => integrations.call('base44', action, input, contextOf());
  return { ...service, integration, call };
}

const many = (count: number) => Array.from({ length: count }, (_, n) => ({ n }));

describe('Base44', () => {
  it('lists by a query', async () => {
    const { call, sent } = await base44(() => ({ json: [{ id: '1' }] }));
    const input = { entity: 'Lead', query: { status: 'new' }, sort: '-created_date', limit: 5, fields: ['id', 'name'] };
    expect(await call('list', input)).toEqual({ records: [{ id: '1' }] });
    expect(sent[0]).toMatchObject({
      method: 'GET',
      path: '/api/apps/app1/entities/Lead',
      query: { q: '{"status":"new"}', sort: '-created_date', limit: '5', fields: 'id,name' },
      headers: { api_key: 'base44-key' },
    });
  });

  it('creates one record, and does not send it again where nobody knows whether it arrived', async () => {
    const { call, sent } = await base44((request) => ({ json: { id: '1', ...(request.json() as object) } }));
    expect(await call('create', { entity: 'Lead', data: { name: 'Ada' } })).toEqual({
      record: { id: '1', name: 'Ada' },
    });
    expect(sent[0]).toMatchObject({ method: 'POST', path: '/api/apps/app1/entities/Lead' });
    const cut = await base44(() => ({ cut: true }));
    await expect(cut.call('create', { entity: 'Lead', data: {} })).rejects.toMatchObject({ code: 'upstream' });
    expect(cut.sent).toHaveLength(1);
  });

  it('creates many in batches of 500', async () => {
    const { call, sent } = await base44((request) => ({ json: request.json() }));
    expect(await call('bulk', { entity: 'Lead', records: many(501) })).toMatchObject({ created: 501 });
    expect(sent.map((request) => [request.path, (request.json() as unknown[]).length])).toEqual([
      ['/api/apps/app1/entities/Lead/bulk', 500],
      ['/api/apps/app1/entities/Lead/bulk', 1],
    ]);
  });

  it('upserts by a key, again after a fault', async () => {
    const { call, sent } = await base44((request, before) => {
      if (before === 0) return { status: 503 };
      const { records } = request.json() as { records: object[] };
      return { json: { created: 1, updated: records.length - 1, records } };
    });
    const result = await call('upsert', { entity: 'Lead', records: many(3), key: ['n'] });
    expect(result).toEqual({ created: 1, updated: 2, records: many(3) });
    expect(sent).toHaveLength(2);
    expect(sent[1]?.path).toBe('/api/apps/app1/entities/Lead/upsert');
    expect(sent[1]?.json()).toEqual({ records: many(3), key: ['n'] });
  });

  it.each(['../User', 'Lead/1', '', 'a b'])('refuses %j as an entity', async (entity) => {
    const { call, sent } = await base44(() => ({ json: [] }));
    await expect(call('list', { entity })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(sent).toEqual([]);
  });

  it('needs a key and an app', async () => {
    const noApp = await base44(() => ({ json: [] }), { BASE44_API_KEY: 'k' });
    await expect(noApp.call('list', { entity: 'Lead' })).rejects.toMatchObject({ code: 'not_configured' });
    expect(await noApp.integration.check()).toMatchObject({ configured: false });
    const full = await base44(() => ({ json: [] }));
    expect(await full.integration.check()).toMatchObject({ configured: true });
    expect(full.sent).toEqual([]);
  });
});
