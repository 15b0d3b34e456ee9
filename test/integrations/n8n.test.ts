import { describe, expect, it } from 'vitest';
import { createN8n } from '../../src/integrations/n8n.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { contextOf, createTestTime, type Reply, type Sent, startService } from './service.js';

async function n8n(reply: (request: Sent, before: number) => Reply, more: Record<string, string> = {}) {
  const service = await startService(reply);
  const variables = {
    N8N_WEBHOOK_URL: `${service.url}/webhook/secret-id`,
    N8N_API_URL: `${service.url}/api/v1`,
    ...more,
  };
  const integration = createN8n({ variables, time: createTestTime() });
  const integrations = createIntegrations([integration]);
  const call = (action: string, input: JsonObject, key = 'run_1') =>
    integrations.call('n8n', action, input, { ...contextOf(), idempotencyKey: key });
  return { ...service, integration, call };
}

const started: Reply = { json: { message: 'Workflow was started' } };

describe('a trigger of n8n', () => {
  it('posts the data with header auth and an idempotency key, and answers what comes back', async () => {
    const { call, sent } = await n8n(() => started, { N8N_WEBHOOK_AUTH: 'X-Team-Key: team secret' });
    expect(await call('trigger', { data: { lead: 'Ada' } })).toEqual({
      status: 200,
      body: { message: 'Workflow was started' },
    });
    expect(sent[0]).toMatchObject({
      method: 'POST',
      path: '/webhook/secret-id',
      headers: { 'x-team-key': 'team secret' },
    });
    expect(sent[0]?.json()).toEqual({ lead: 'Ada' });
    expect(sent[0]?.headers['idempotency-key']).toMatch(/^doe-[0-9a-f]{32}$/);
  });

  it('sends a GET with its data as the query, below the address that is set', async () => {
    const { call, sent } = await n8n(() => started);
    await call('trigger', { method: 'GET', path: 'lead/new', data: { id: 7, vip: true, name: 'Ä&B' } });
    expect(sent[0]).toMatchObject({
      method: 'GET',
      path: '/webhook/secret-id/lead/new',
      query: { id: '7', vip: 'true', name: 'Ä&B' },
    });
    expect(sent[0]?.body).toHaveLength(0);
  });

  it('keeps one key for one trigger over its tries, and another for other data and other runs', async () => {
    const { call, sent } = await n8n((_request, before) => (before === 0 ? { cut: true } : started));
    await call('trigger', { data: 1 });
    await call('trigger', { data: 2 });
    await call('trigger', { data: 1 }, 'run_2');
    const keys = sent.map(({ headers }) => headers['idempotency-key']);
    expect(keys[0]).toBe(keys[1]);
    expect(new Set(keys).size).toBe(3);
  });

  it('does not start a slow workflow a second time', async () => {
    const { call, sent } = await n8n(() => ({ silent: true }));
    await expect(call('trigger', { timeout_seconds: 1 })).rejects.toMatchObject({ code: 'upstream' });
    expect(sent).toHaveLength(1);
  });

  it.each<[string, Reply, JsonObject]>([
    ['JSON', { json: [{ a: 1 }] }, { status: 200, body: [{ a: 1 }] }],
    ['JSON null', { json: null }, { status: 200, body: null }],
    ['text', { body: 'done', headers: { 'content-type': 'text/html; charset=utf-8' } }, { status: 200, body: 'done' }],
    ['nothing', { status: 204 }, { status: 204, body: null }],
    [
      'streamed lines',
      { body: '{"type":"begin"}\n{"type":"end"}\n', headers: { 'content-type': 'application/json; charset=utf-8' } },
      { status: 200, body: '{"type":"begin"}\n{"type":"end"}\n' },
    ],
    [
      'a file',
      { body: Buffer.from([1, 2, 255]), headers: { 'content-type': 'application/pdf' } },
      { status: 200, body: null, body_base64: 'AQL/', content_type: 'application/pdf' },
    ],
    [
      'a redirect, which is not followed',
      { status: 302, headers: { location: 'https://elsewhere.example/' } },
      { status: 302, body: null, location: 'https://elsewhere.example/' },
    ],
  ])('takes the response mode with %s', async (_mode, reply, expected) => {
    const { call, sent } = await n8n(() => reply);
    expect(await call('trigger', {})).toEqual(expected);
    expect(sent).toHaveLength(1);
  });

  it('is refused by the right name, and never shows the address or the key', async () => {
    const auth = { N8N_WEBHOOK_AUTH: 'X-Team-Key: team secret' };
    for (const [status, code] of [
      [403, 'unauthorized'],
      [404, 'not_found'],
      [500, 'upstream'],
    ] as const) {
      const { call, url } = await n8n(
        () => ({ status, json: { message: `no team secret at ${url}/webhook/secret-id` } }),
        auth,
      );
      const error = await call('trigger', {}).catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ code });
      expect(String((error as Error).message)).not.toMatch(/team secret|secret-id/);
    }
  });

  it.each([
    { path: '../x' },
    { path: 'a/../b' },
    { path: '/a' },
    { path: 'a//b' },
    { path: '..' },
    { path: 'a?b=c' },
    { path: '.hidden' },
    { method: 'DELETE' },
    { method: 'GET', data: { deep: { a: 1 } } },
    { method: 'GET', data: [1] },
  ])('refuses %j', async (input) => {
    const { call, sent } = await n8n(() => started);
    await expect(call('trigger', input)).rejects.toMatchObject({ code: 'invalid_input' });
    expect(sent).toEqual([]);
  });

  it('is not configured without an address, or with auth that is no header', async () => {
    const none = createIntegrations([createN8n({ variables: {} })]);
    await expect(none.call('n8n', 'trigger', {}, contextOf())).rejects.toMatchObject({ code: 'not_configured' });
    const odd = await n8n(() => started, { N8N_WEBHOOK_AUTH: 'no header' });
    await expect(odd.call('trigger', {})).rejects.toMatchObject({ code: 'not_configured' });
  });
});

describe('executions of n8n', () => {
  const one = {
    id: 12,
    workflowId: '7',
    status: 'success',
    mode: 'webhook',
    finished: true,
    startedAt: 'a',
    stoppedAt: 'b',
    data: { x: 1 },
  };

  it('are read by the public API with its key, without their data', async () => {
    const { call, sent } = await n8n(() => ({ json: { data: [one], nextCursor: 'more' } }), { N8N_API_KEY: 'api-key' });
    expect(await call('executions', { workflow_id: '7', status: 'success', limit: 5 })).toEqual({
      executions: [
        {
          id: '12',
          workflow_id: '7',
          status: 'success',
          mode: 'webhook',
          finished: true,
          started_at: 'a',
          stopped_at: 'b',
        },
      ],
      next_cursor: 'more',
    });
    expect(sent[0]).toMatchObject({
      path: '/api/v1/executions',
      query: { workflowId: '7', status: 'success', limit: '5' },
      headers: { 'x-n8n-api-key': 'api-key' },
    });
  });

  it('need that key', async () => {
    const { call } = await n8n(() => started);
    await expect(call('executions', {})).rejects.toMatchObject({ code: 'not_configured' });
  });
});

it('checks itself without starting a workflow', async () => {
  const plain = await n8n(() => started);
  expect(await plain.integration.check()).toMatchObject({ configured: true, ok: true });
  expect(plain.sent).toEqual([]);
  const keyed = await n8n(() => ({ status: 401 }), { N8N_API_KEY: 'api-key' });
  expect(await keyed.integration.check()).toMatchObject({ configured: true, ok: false });
});
