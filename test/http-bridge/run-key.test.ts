// Integrations for scripts: a run key opens what its directive names and an operator trusted, while its run lasts.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DispatcherError } from '../../src/errors.js';
import type { ActionContext, Integration } from '../../src/integrations/index.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import { type Log, silentLog } from '../../src/log.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { refusalOf } from '../helpers/errors.js';
import { agent, operator, type RawAnswer, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp } from '../helpers/test-app.js';

interface Call {
  name: string;
  input: JsonObject;
  context: ActionContext;
}

function recorder(name: string, calls: Call[]): Integration {
  return {
    name,
    title: name,
    check: async () => ({ configured: true, ok: true, message: 'ready' }),
    actions: {
      send: {
        description: 'Notes what it was sent.',
        input: z.object({ text: z.string() }),
        run: async (input, context) => {
          calls.push({ name, input, context });
          return { sent: input.text ?? null };
        },
      },
      fail: {
        description: 'Fails.',
        input: z.object({}),
        run: async () => {
          throw new DispatcherError('rate_limited', 'The service says: later.', { hint: 'Wait.' });
        },
      },
    },
  };
}

/** Calls what its payload lists, through the bridge, and gives back what was answered. */
const files = {
  'directives/call.md': '---\nintegrations: [mail]\nretry: { count: 0 }\n---\n# Calls\n',
  'execution/call.mjs': `
import { writeFileSync } from 'node:fs';
const { MCP_URL, DOE_RUN_KEY, DOE_RESULT_FILE } = process.env;
const answers = [];
for (const [path, body] of JSON.parse(process.argv[4]).calls) {
  const response = await fetch(MCP_URL + path, {
    method: 'POST',
    headers: { authorization: 'Bearer ' + DOE_RUN_KEY, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  answers.push([response.status, await response.json()]);
}
writeFileSync(DOE_RESULT_FILE, JSON.stringify({ answers, key: DOE_RUN_KEY.length }));
`,
};

async function trustAll(app: TestApp): Promise<void> {
  const { items } = (await sendJson(app, 'GET', '/trust')).json() as { items: Record<string, unknown>[] };
  const wanted = items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
  await sendJson(app, 'POST', '/trust', { json: { items: wanted } });
}

type Answers = [status: number, body: Record<string, unknown>][];

async function run(app: TestApp, calls: [string, object][]): Promise<{ id: string; answers: Answers }> {
  const json = { task_type: 'call', project_id: 'p', actor_id: 'me', payload_json: { calls } };
  const { task_id } = (await sendJson(app, 'POST', '/tasks', { json })).json();
  await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
  const task = await app.until(String(task_id), 'succeeded');
  return { id: task.id, answers: (task.result as { answers: Answers }).answers };
}

describe('from a script', () => {
  test('what is named and trusted may be called, and each call stands in the log', async () => {
    const calls: Call[] = [];
    const app = await createTestApp({ files, integrations: [recorder('mail', calls), recorder('bank', calls)] });
    await trustAll(app);
    const { id, answers } = await run(app, [
      ['/integrations/mail/send', { text: 'hello' }],
      ['/integrations/mail/fail', {}],
      ['/integrations/mail/send', { text: 1 }],
      ['/integrations/mail/nothing', {}],
      ['/integrations/bank/send', { text: 'money' }],
      ['/integrations/none/send', {}],
    ]);
    expect(answers.map(([status, { ok, code }]) => [status, ok, code])).toEqual([
      [200, true, undefined],
      [429, false, 'rate_limited'],
      [400, false, 'invalid_input'],
      [404, false, 'not_found'],
      [403, false, 'not_allowed'],
      [403, false, 'not_allowed'],
    ]);
    expect(answers[0]?.[1].result).toEqual({ sent: 'hello' });
    expect(calls.map(({ name, input }) => [name, input])).toEqual([['mail', { text: 'hello' }]]);
    expect(calls[0]?.context.home).toBe(app.home);
    const lines = (await app.dispatcher.store.logs.tail(id, 50)).filter(({ stream }) => stream === 'system');
    const said = lines.flatMap(({ text }) => /^(.*) after \d+ ms$/.exec(text)?.[1] ?? []);
    const refused = ['mail fail: rate_limited', 'mail send: invalid_input', 'mail nothing: not_found'];
    const closed = ['bank send: not_allowed', 'none send: not_allowed'];
    expect(said).toEqual(['mail send: ok', ...refused, ...closed]);
  });

  test('a call that was made is not told as failed where its line in the log cannot be written', async () => {
    const calls: Call[] = [];
    const warned: string[] = [];
    const log: Log = { ...silentLog, warn: (event) => void warned.push(event) };
    const app = await createTestApp({ files, integrations: [recorder('mail', calls)], log });
    const { logs } = app.dispatcher.store;
    const append = logs.append.bind(logs);
    logs.append = async (lines) => {
      if (lines.some(({ text }) => text.startsWith('mail '))) throw new DispatcherError('store_unavailable', 'Full.');
      await append(lines);
    };
    await trustAll(app);
    const { answers } = await run(app, [
      ['/integrations/mail/send', { text: 'once' }],
      ['/integrations/mail/fail', {}],
    ]);
    expect(answers.map(([status, { code }]) => [status, code])).toEqual([
      [200, undefined],
      [429, 'rate_limited'],
    ]);
    expect(calls).toHaveLength(1);
    expect(warned.filter((event) => event === 'run.log_lost')).toHaveLength(2);
  });

  test('without trust nothing may be called', async () => {
    const calls: Call[] = [];
    const app = await createTestApp({ files, integrations: [recorder('mail', calls)] });
    const { answers } = await run(app, [['/integrations/mail/send', { text: 'hello' }]]);
    expect(answers.map(([status, { code }]) => [status, code])).toEqual([[403, 'not_allowed']]);
    expect(String(answers[0]?.[1].hint)).toContain('doe trust call');
    expect(calls).toEqual([]);
  });
});

describe('from elsewhere', () => {
  const call = (app: TestApp, key: string | null): Promise<RawAnswer> =>
    send(app, {
      method: 'POST',
      path: '/integrations/mail/send',
      headers: { 'Content-Type': 'application/json', ...(key === null ? {} : { Authorization: `Bearer ${key}` }) },
      body: '{"text":"x"}',
    });

  test('no key, an operator key, an agent key and an ack token open nothing', async () => {
    const app = await createTestApp({ files, noWorker: true, integrations: [recorder('mail', [])] });
    const json = { task_type: 'call', project_id: 'p', actor_id: 'me' };
    const { task_id } = (await sendJson(app, 'POST', '/tasks', { json })).json();
    const { ack_token } = (
      await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } })
    ).json();
    for (const key of [null, operator, agent, String(ack_token), 'x.y.z']) {
      const answer = await call(app, key);
      expect([answer.status, answer.json().code]).toEqual([401, 'unauthorized']);
    }
  });

  test('a run key is worth nothing once its run is over, and nothing before it began', async () => {
    const calls: Call[] = [];
    const app = await createTestApp({ files, integrations: [recorder('mail', calls)] });
    await trustAll(app);
    const { id } = await run(app, []);
    const [over] = await app.dispatcher.store.tasks.runs(id);
    const later = Date.now() + 60_000;
    const key = await app.dispatcher.acks.runKey({ taskId: id, runId: over?.id ?? '', integrations: ['mail'] }, later);
    const never = await app.dispatcher.acks.runKey({ taskId: 'none', runId: 'run_x', integrations: ['mail'] }, later);
    for (const one of [key, never]) {
      const answer = await call(app, one);
      expect([answer.status, answer.json().code]).toEqual([401, 'unauthorized']);
    }
    const opened = await send(app, { path: '/tasks', headers: { Authorization: `Bearer ${key}` } });
    expect(opened.status).toBe(401);
    expect(calls).toEqual([]);
  });
});

test('a key that names more than the directive of its run opens no more', async () => {
  const calls: Call[] = [];
  const answers: [number, unknown][] = [];
  const asker: Integration = {
    ...recorder('mail', calls),
    actions: {
      send: {
        description: 'Tries other keys of the same run, while it lasts.',
        input: z.object({}),
        run: async () => {
          const { tasks } = await app.dispatcher.store.tasks.list({ limit: 1 });
          const [{ id: taskId = '', runId = null } = {}] = tasks;
          for (const integrations of [['mail', 'bank'], ['bank'], []]) {
            const claims = { taskId, runId: runId ?? '', integrations };
            const key = await app.dispatcher.acks.runKey(claims, Date.now() + 60_000);
            const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${key}` };
            const answer = await send(app, { method: 'POST', path: '/integrations/bank/send', headers, body: '{}' });
            answers.push([answer.status, answer.json().code]);
          }
          return null;
        },
      },
    },
  };
  const app = await createTestApp({ files, integrations: [asker, recorder('bank', calls)] });
  await trustAll(app);
  const { answers: outer } = await run(app, [['/integrations/mail/send', {}]]);
  expect(outer.map(([status]) => status)).toEqual([200]);
  expect(answers).toEqual(Array(3).fill([403, 'not_allowed']));
  expect(calls).toEqual([]);
});

test('a stranger without a run key has no body parsed for it', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await send(app, {
    method: 'POST',
    path: '/integrations/mail/send',
    headers: { 'content-type': 'application/json' },
    body: '{"not": json',
  });
  expect(answer.status).toBe(401);
});

test('a name that every object has is no action of an integration', async () => {
  const integrations = createIntegrations([recorder('mail', [])]);
  for (const action of ['constructor', '__proto__', 'toString']) {
    const refused = await refusalOf(() => integrations.call('mail', action, {}, { home: '/', idempotencyKey: 'k' }));
    expect(refused.code).toBe('not_found');
  }
});
