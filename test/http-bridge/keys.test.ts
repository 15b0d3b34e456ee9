// Who may do what over HTTP: the key decides, and nothing that a request says of itself.
import { describe, expect, test } from 'vitest';
import { agent, operator, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';

const agentHome = {
  ...helloHome,
  'directives/chore.md': '---\nack: agent\nrequire_ack: true\n---\n# A chore\n',
  'execution/chore.sh': 'true\n',
  'directives/vault.md': '---\nack: passkey\n---\n# The vault\n',
  'execution/vault.sh': 'true\n',
};

const withKey = (path: string, headers: Record<string, string>) => ({ path, headers });

const create = async (app: TestApp, key: string, task_type = 'hello'): Promise<string> => {
  const json = { task_type, project_id: 'p1', actor_id: 'someone' };
  return String((await sendJson(app, 'POST', '/tasks', { json, key })).json().task_id);
};

const acknowledge = (app: TestApp, key: string, task_id: string, more: object = {}) =>
  sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'jo', ...more }, key });

async function trustAll(app: TestApp) {
  const { items } = (await sendJson(app, 'GET', '/trust')).json() as {
    items: { kind: string; id: string; sha256: string; script_sha256: string }[];
  };
  const wanted = items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
  return sendJson(app, 'POST', '/trust', { json: { items: wanted } });
}

describe('keys', () => {
  test('X-API-Key and Bearer are taken alike; none, a wrong one and half a one are 401', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const [headers, status] of [
      [{ 'X-API-Key': operator }, 200],
      [{ 'x-api-key': agent }, 200],
      [{ Authorization: `Bearer ${operator}` }, 200],
      [{ Authorization: `bearer ${agent}` }, 200],
      [{ 'X-API-Key': '', Authorization: `Bearer ${operator}` }, 200],
      [{}, 401],
      [{ 'X-API-Key': '' }, 401],
      [{ 'X-API-Key': `jo:${operator}` }, 401],
      [{ 'X-API-Key': operator.slice(0, -1) }, 401],
      [{ 'X-API-Key': `${operator}x` }, 401],
      [{ 'X-API-Key': 'wrong', Authorization: `Bearer ${operator}` }, 401],
      [{ Authorization: operator }, 401],
      [{ Authorization: `Basic ${Buffer.from(`jo:${operator}`).toString('base64')}` }, 401],
      [{ Authorization: `Bearer ${operator} more` }, 401],
    ] as [Record<string, string>, number][]) {
      const answer = await send(app, withKey('/tasks', headers));
      expect([headers, answer.status]).toEqual([headers, status]);
      if (status === 401) {
        expect(answer.json()).toMatchObject({
          ok: false,
          code: 'unauthorized',
          hint: expect.stringContaining('X-API-Key'),
        });
        expect(answer.headers['www-authenticate']).toBe('Bearer');
        expect(answer.text).not.toContain(operator.slice(4));
      }
    }
  });

  test('a key in the query or a cookie opens nothing', async () => {
    const app = await createTestApp({ noWorker: true });
    expect((await send(app, { path: `/tasks?key=${operator}` })).status).toBe(401);
    expect((await send(app, { path: '/tasks', headers: { Cookie: `x-api-key=${operator}` } })).status).toBe(401);
  });

  test('a home without agent keys refuses an empty one', async () => {
    const app = await createTestApp({ noWorker: true, settings: { MCP_AGENT_KEY: '' } });
    expect((await send(app, withKey('/tasks', { 'X-API-Key': '' }))).status).toBe(401);
    expect((await send(app, withKey('/tasks', { Authorization: 'Bearer ' }))).status).toBe(401);
  });

  test('every route but health, the page and validate-ack wants one', async () => {
    const app = await createTestApp({ noWorker: true });
    const document = (await sendJson(app, 'GET', '/openapi.json')).json() as { paths: Record<string, object> };
    const keyless: string[] = [];
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods)) {
        const { status, text } = await sendJson(app, method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'), {
          key: null,
          ...(method === 'post' ? { json: {} } : {}),
        });
        if (status !== 401 || text.includes('token_missing')) keyless.push(path);
      }
    }
    expect(keyless.sort()).toEqual(['/health', '/mcp/validate-ack']);
    for (const path of ['/mcp', '/sse', '/messages']) {
      expect([path, (await sendJson(app, 'POST', path, { json: {}, key: null })).status]).toEqual([path, 401]);
    }
  });
});

describe('who may do what', () => {
  test('an agent key reads, creates, cancels, records failures, completes repairs, runs automations', async () => {
    const app = await createTestApp({ noWorker: true });
    const id = await create(app, agent);
    for (const path of [
      '/tasks',
      `/tasks/${id}/status`,
      `/tasks/${id}/logs`,
      '/directives',
      '/directives/hello',
      '/anneals',
      '/automations',
    ])
      expect([path, (await sendJson(app, 'GET', path, { key: agent })).status]).toEqual([path, 200]);
    const failure = { error_type: 'seen', classification: 'script' };
    const failed = await sendJson(app, 'POST', `/tasks/${id}/failure`, { json: failure, key: agent });
    expect(failed.status).toBe(200);
    const aid = String(failed.json().aid);
    expect((await sendJson(app, 'GET', `/anneals/${aid}`, { key: agent })).status).toBe(200);
    const complete = await sendJson(app, 'POST', `/tasks/${id}/anneal-complete`, { json: { note: 'ok' }, key: agent });
    expect(complete.json()).toMatchObject({ status: 'awaiting_ack' });
    expect((await sendJson(app, 'POST', `/tasks/${id}/cancel`, { json: {}, key: agent })).status).toBe(200);
    const run = { automation: 'list-clients', params: {} };
    expect((await sendJson(app, 'POST', '/run', { json: run, key: agent })).status).toBe(200);
  });

  test('an agent key acknowledges nothing that wants a person, under no name and as no terminal', async () => {
    const app = await createTestApp({ noWorker: true });
    const id = await create(app, agent);
    for (const headers of [{}, { 'User-Agent': 'doe-cli/1.0' }] as Record<string, string>[]) {
      const answer = await sendJson(app, 'POST', '/mcp/acknowledge', {
        json: { task_id: id, actor_id: 'jo' },
        key: agent,
        headers,
      });
      expect([answer.status, answer.json().code]).toEqual([403, 'not_allowed']);
      expect(answer.text).not.toContain('eyJ');
    }
    expect((await app.dispatcher.store.tasks.get(id))?.status).toBe('awaiting_ack');
    expect(await app.dispatcher.store.people.acks(id)).toEqual([]);
  });

  test('fields that claim a principal, an assurance or evidence are unknown fields', async () => {
    const app = await createTestApp({ noWorker: true });
    const id = await create(app, agent);
    for (const claim of [
      { principal: 'operator' },
      { assurance: 'operator' },
      { evidence: { kind: 'elicited', nonceId: 'x' } },
      { channel: 'page' },
    ]) {
      const answer = await acknowledge(app, agent, id, claim);
      expect([answer.status, answer.json().code]).toEqual([400, 'invalid_input']);
      expect(answer.json().error).toContain(Object.keys(claim)[0]);
    }
  });

  test('ack: agent counts for an agent key only once the directive is trusted, and where the floor allows it', async () => {
    const app = await createTestApp({ noWorker: true, files: agentHome });
    const before = await create(app, agent, 'chore');
    expect((await acknowledge(app, agent, before)).status).toBe(403);
    expect((await trustAll(app)).status).toBe(200);
    const after = await create(app, agent, 'chore');
    // The floor of DOE_MIN_ACK is client.
    expect((await acknowledge(app, agent, after)).status).toBe(403);
    const low = await createTestApp({ noWorker: true, files: agentHome, settings: { DOE_MIN_ACK: 'agent' } });
    expect((await acknowledge(low, agent, await create(low, agent, 'chore'))).status).toBe(403);
    await trustAll(low);
    const ack = await acknowledge(low, agent, await create(low, agent, 'chore'));
    expect([ack.status, ack.json().assurance]).toEqual([200, 'agent']);
    expect((await acknowledge(low, agent, await create(low, agent, 'hello'))).status).toBe(403);
  });

  test('an operator key acknowledges as operator, and never as passkey', async () => {
    const app = await createTestApp({ noWorker: true, files: agentHome });
    const ack = await acknowledge(app, operator, await create(app, operator));
    expect([ack.status, ack.json().assurance]).toEqual([200, 'operator']);
    const vault = await acknowledge(app, operator, await create(app, operator, 'vault'));
    expect([vault.status, vault.json().code, vault.json().details]).toEqual([
      403,
      'not_allowed',
      { wanted: 'passkey' },
    ]);
  });

  test('refusing, trusting, pausing and opening the page are for operators alone', async () => {
    const app = await createTestApp({ noWorker: true, files: agentHome });
    const id = await create(app, agent);
    const sha = '0'.repeat(64);
    const item = { kind: 'directive', id: 'chore', sha256: sha, script_sha256: sha };
    for (const [path, json] of [
      ['/mcp/acknowledge', { task_id: id, actor_id: 'jo', decision: 'reject' }],
      ['/trust', { items: [item] }],
      ['/pause', {}],
      ['/resume', {}],
      ['/ui-codes', {}],
    ] as const) {
      const answer = await sendJson(app, 'POST', path, { json, key: agent });
      expect([path, answer.status, answer.json().code]).toEqual([path, 403, 'not_allowed']);
    }
    expect((await app.dispatcher.store.tasks.get(id))?.status).toBe('awaiting_ack');
    expect(await app.dispatcher.store.tasks.paused()).toBe(false);
    expect((await sendJson(app, 'POST', '/pause', { json: {} })).json()).toMatchObject({ ok: true, paused: true });
    expect((await sendJson(app, 'POST', '/resume', { json: {} })).json()).toMatchObject({ ok: true, paused: false });
    expect((await sendJson(app, 'POST', '/trust', { json: { items: [item] } })).json().code).toBe(
      'changed_since_shown',
    );
    const code = (await sendJson(app, 'POST', '/ui-codes', { json: {} })).json();
    expect(code.url).toMatch(/\/ui\/sign-in\?code=/);
  });

  test('the record names key, person and channel, with the claimed name beside them', async () => {
    const app = await createTestApp({ noWorker: true });
    const id = await create(app, agent);
    await acknowledge(app, operator, id);
    const events = await app.dispatcher.store.ledger.events({ taskId: id, limit: 10 });
    expect(events.map(({ type, actorId, principal, channel }) => [type, actorId, principal, channel])).toEqual([
      ['created', 'someone', 'agent', 'http'],
      ['acknowledged', 'jo', 'operator', 'http'],
    ]);
    const [first, second] = events.map(({ keyId }) => keyId);
    expect(first).toMatch(/^[0-9a-f]{12}$/);
    expect(second).not.toBe(first);
  });
});
