import { describe, expect, it } from 'vitest';
import { createAirtable } from '../../src/integrations/airtable.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { contextOf, createTestTime, type Reply, type Sent, startService } from './service.js';

const key = 'patTestKey.0123456789';
const settings = { AIRTABLE_API_KEY: key, AIRTABLE_BASE_ID: 'appBase0000000001' };

interface Upsert {
  performUpsert: { fieldsToMergeOn: string[] };
  records: { fields: JsonObject }[];
}

/** Airtable as far as an upsert goes: the records with an even number exist. */
function upserted(request: Sent): Reply {
  const { records } = request.json() as Upsert;
  const answered = records.map(({ fields }) => ({
    id: `rec${fields.n}`,
    createdTime: '2026-01-01T00:00:00.000Z',
    fields,
  }));
  const isOld = (id: string) => Number(id.slice(3)) % 2 === 0;
  const ids = answered.map(({ id }) => id);
  return {
    json: {
      records: answered,
      updatedRecords: ids.filter(isOld),
      createdRecords: ids.filter((id) => !isOld(id)),
    },
  };
}

async function airtable(
  reply: (request: Sent, before: number) => Reply = upserted,
  variables: Record<string, string> = settings,
) {
  const service = await startService(reply);
  const time = createTestTime();
  const integration = createAirtable({ variables, baseUrl: service.url, time });
  const integrations = createIntegrations([integration]);
  const call = (action: string, input: JsonObject) => integrations.call('airtable', action, input, contextOf());
  return { ...service, time, integration, call };
}

const rows = (count: number) => Array.from({ length: count }, (_, n) => ({ fields: { n, Email: `${n}@example.com` } }));
const upsert = (count: number) => ({ table: 'Leads / new', records: rows(count), fields_to_merge_on: ['Email'] });

describe('an upsert to Airtable', () => {
  it('goes out in batches of ten at five a second, and counts what was written', async () => {
    const { call, sent, time } = await airtable();
    const result = (await call('upsert', upsert(23))) as { created: number; updated: number; records: unknown[] };
    expect(result).toMatchObject({ created: 11, updated: 12 });
    expect(result.records).toHaveLength(23);
    expect(result.records[0]).toEqual({
      id: 'rec0',
      created_time: '2026-01-01T00:00:00.000Z',
      fields: { n: 0, Email: '0@example.com' },
    });
    expect(sent.map((request) => (request.json() as Upsert).records.length)).toEqual([10, 10, 3]);
    expect(sent[0]).toMatchObject({
      method: 'PATCH',
      path: '/v0/appBase0000000001/Leads%20%2F%20new',
      headers: { authorization: `Bearer ${key}` },
    });
    expect(sent[0]?.json()).toMatchObject({ performUpsert: { fieldsToMergeOn: ['Email'] }, typecast: false });
    expect(time.pauses).toEqual([200, 200]);
  });

  it('is silent for 30 s after a 429, for the base and not only for the call', async () => {
    const { call, sent, time } = await airtable((request, before) =>
      before === 0
        ? { status: 429, json: { error: { type: 'RATE_LIMIT_REACHED', message: 'Slow' } } }
        : upserted(request),
    );
    await call('upsert', upsert(1));
    expect(sent).toHaveLength(2);
    expect(time.pauses.reduce((sum, ms) => sum + ms, 0)).toBeGreaterThanOrEqual(30_000);
  });

  it('says how far it came where Airtable refuses in the middle', async () => {
    const { call } = await airtable((request, before) =>
      before === 1
        ? { status: 422, json: { error: { type: 'UNKNOWN_FIELD_NAME', message: 'Unknown field name: "n"' } } }
        : upserted(request),
    );
    await expect(call('upsert', upsert(20))).rejects.toMatchObject({
      code: 'upstream',
      message: expect.stringContaining('Unknown field name') as string,
      details: { status: 422, written: 10, created: 5, updated: 5 },
    });
  });

  it.each([
    [{ ...upsert(1), fields_to_merge_on: [] }],
    [{ ...upsert(1), fields_to_merge_on: ['a', 'b', 'c', 'd'] }],
    [{ ...upsert(1), records: [] }],
    [{ ...upsert(1), base: '../x' }],
    [{ ...upsert(1), more: 1 }],
  ])('refuses input that Airtable would not take: %#', async (input) => {
    const { call, sent } = await airtable();
    await expect(call('upsert', input)).rejects.toMatchObject({ code: 'invalid_input' });
    expect(sent).toEqual([]);
  });

  it('needs a key and a base', async () => {
    const none = await airtable(upserted, {});
    await expect(none.call('upsert', upsert(1))).rejects.toMatchObject({ code: 'not_configured' });
    const noBase = await airtable(upserted, { AIRTABLE_API_KEY: key });
    await expect(noBase.call('upsert', upsert(1))).rejects.toMatchObject({ code: 'not_configured' });
    await noBase.call('upsert', { ...upsert(1), base: 'appOther' });
    expect(noBase.sent[0]?.path).toContain('/v0/appOther/');
  });
});

describe('a list from Airtable', () => {
  const page = (count: number, offset?: string): Reply => ({
    json: {
      records: Array.from({ length: count }, (_, n) => ({ id: `rec${n}`, fields: {} })),
      ...(offset ? { offset } : {}),
    },
  });

  it('follows the pages to the end', async () => {
    const { call, sent } = await airtable((_request, before) => (before === 0 ? page(100, 'next') : page(7)));
    const result = await call('list', { table: 'Leads', filter: "{Status}='Open'" });
    expect(result).toMatchObject({ complete: true });
    expect((result as { records: unknown[] }).records).toHaveLength(107);
    expect(sent[0]).toMatchObject({ method: 'POST', path: '/v0/appBase0000000001/Leads/listRecords' });
    expect(sent[0]?.json()).toEqual({ pageSize: 100, filterByFormula: "{Status}='Open'" });
    expect(sent[1]?.json()).toMatchObject({ offset: 'next' });
  });

  it('stops at max_records and says that there is more', async () => {
    const { call, sent } = await airtable((request) => page((request.json() as { pageSize: number }).pageSize, 'more'));
    const result = await call('list', { table: 'Leads', max_records: 130 });
    expect(result).toMatchObject({ complete: false });
    expect((result as { records: unknown[] }).records).toHaveLength(130);
    expect(sent).toHaveLength(2);
  });
});

it('checks its key without touching a table', async () => {
  const { integration, sent } = await airtable(() => ({ json: { id: 'usr' } }));
  expect(await integration.check()).toMatchObject({ configured: true, ok: true });
  expect(sent[0]?.path).toBe('/v0/meta/whoami');
  const refused = await airtable(() => ({ status: 401, json: { error: { message: `bad ${key}` } } }));
  const answer = await refused.integration.check();
  expect(answer).toMatchObject({ configured: true, ok: false });
  expect(answer.message).not.toContain(key);
});

it('refuses a table named as the folder above, which would lead to another address', async () => {
  const { call, sent } = await airtable();
  for (const table of ['.', '..'])
    await expect(call('upsert', { ...upsert(1), table })).rejects.toMatchObject({ code: 'invalid_input' });
  expect(sent).toHaveLength(0);
});
