// Secrets and tokens stand in no answer, on any route, for any key; the one exception is the token that acknowledge answers.
import { describe, expect, test } from 'vitest';
import { routes } from '../../src/http-bridge/routes.js';
import { agent, operator, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp, testSecret } from '../helpers/test-app.js';

const netlifyToken = 'nfp_netlify-token-0123456789abcdef';
const airtableKey = 'pat-airtable-key-0123456789abcdef';
const payloadSecret = 'payload-secret-0123456789abcdef';
const jwt = /eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/;

/** A script that tells everything that it knows, everywhere that it can, and fails. */
const tellTale = `
import { writeFileSync } from 'node:fs';
const [, , , token, payload] = process.argv;
const { DOE_RUN_KEY, NETLIFY_AUTH_TOKEN } = process.env;
const all = [token, DOE_RUN_KEY, NETLIFY_AUTH_TOKEN, payload, Buffer.from(NETLIFY_AUTH_TOKEN ?? '').toString('base64')];
for (const one of all) { console.log('out ' + one); console.error('err ' + one); }
console.log('::progress:: 50 ' + token + ' ' + NETLIFY_AUTH_TOKEN);
writeFileSync(process.env.DOE_RESULT_FILE, JSON.stringify({ all, ['key ' + DOE_RUN_KEY]: token }));
if (payload.includes('fail')) throw new Error('broke with ' + token + ' and ' + NETLIFY_AUTH_TOKEN + ' and ' + payload);
`;

const files = {
  'directives/tell.md': `---
secrets: [NETLIFY_AUTH_TOKEN]
integrations: [netlify]
retry: { count: 0 }
payload: { type: object, properties: { key: { type: string, x-doe-secret: true }, how: { type: string } } }
---
# Tell
`,
  'execution/tell.mjs': tellTale,
};

const settings = { NETLIFY_AUTH_TOKEN: netlifyToken, AIRTABLE_API_KEY: airtableKey };

async function trustAll(app: TestApp): Promise<void> {
  const { items } = (await sendJson(app, 'GET', '/trust')).json() as { items: Record<string, unknown>[] };
  const wanted = items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
  await sendJson(app, 'POST', '/trust', { json: { items: wanted } });
}

interface Told {
  succeeded: string;
  failed: string;
  aid: string;
  tokens: string[];
}

async function tell(app: TestApp): Promise<Told> {
  const tokens: string[] = [];
  const ids: string[] = [];
  for (const how of ['well', 'fail']) {
    const json = { task_type: 'tell', project_id: 'p', actor_id: 'me', payload_json: { key: payloadSecret, how } };
    const { task_id } = (await sendJson(app, 'POST', '/tasks', { json })).json();
    const { ack_token } = (
      await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } })
    ).json();
    tokens.push(String(ack_token));
    ids.push(String(task_id));
    await app.until(String(task_id), 'succeeded', 'needs_anneal');
  }
  const [succeeded = '', failed = ''] = ids;
  const aid = (await app.dispatcher.store.tasks.get(failed))?.aid ?? '';
  return { succeeded, failed, aid, tokens };
}

/** Every address that can be read, filled with what is there. */
const readable = ({ succeeded, failed, aid }: Told): string[] => [
  ...routes
    .filter(({ method }) => method === 'get')
    .flatMap(({ path }) =>
      path.includes('/tasks/:id')
        ? [path.replace(':id', succeeded), path.replace(':id', failed)]
        : [path.replace(':aid', aid).replace(':id', 'tell')],
    ),
  '/health',
  '/health?nonce=n',
  '/metrics',
  '/openapi.json',
  `/tasks?status=needs_anneal`,
  '/nothing',
];

const secretsOf = ({ tokens }: Told): string[] => [
  testSecret,
  operator,
  agent,
  netlifyToken,
  Buffer.from(netlifyToken).toString('base64').replace(/=+$/, ''),
  airtableKey,
  payloadSecret,
  ...tokens,
];

function assertSafe(what: string, text: string, secrets: string[]): void {
  for (const secret of secrets)
    if (text.includes(secret)) throw new Error(`${what} shows a secret: ${text.slice(0, 200)}`);
  expect([what, jwt.exec(text)?.[0]]).toEqual([what, undefined]);
}

describe('after a script that told everything', () => {
  test('no route that reads shows a secret or a token, to either key', async () => {
    const app = await createTestApp({ files, settings });
    await trustAll(app);
    const told = await tell(app);
    const { store } = app.dispatcher;
    expect([(await store.tasks.get(told.succeeded))?.status, (await store.tasks.get(told.failed))?.status]).toEqual([
      'succeeded',
      'needs_anneal',
    ]);
    const secrets = secretsOf(told);
    for (const path of readable(told)) {
      for (const key of [operator, agent]) {
        const { status, text } = await sendJson(app, 'GET', path, { key });
        expect([path, status < 500]).toEqual([path, true]);
        assertSafe(path, text, secrets);
      }
    }
    for (const id of [told.succeeded, told.failed]) {
      const events = await fetch(`${app.address}/tasks/${id}/logs`, {
        headers: { Accept: 'text/event-stream', 'X-API-Key': operator },
      });
      const text = await events.text();
      expect(text).toContain('event: end');
      expect(text).toContain('out [redacted]');
      assertSafe('the stream', text, secrets);
    }
  });

  test('no move and no refusal shows one', async () => {
    const app = await createTestApp({ files, settings });
    await trustAll(app);
    const told = await tell(app);
    const secrets = secretsOf(told);
    const { failed, succeeded, tokens } = told;
    const moves: [string, object][] = [
      ['/mcp/acknowledge', { task_id: succeeded, actor_id: 'me' }],
      [
        '/tasks',
        {
          task_type: 'tell',
          project_id: 'p',
          actor_id: 'me',
          task_id: succeeded,
          payload_json: { key: 'other-secret-0123456789' },
        },
      ],
      ['/tasks', { task_type: 'tell', project_id: 'p', actor_id: 'me', payload_json: { key: 5, how: payloadSecret } }],
      [`/tasks/${failed}/anneal-complete`, { note: `with ${netlifyToken} and ${tokens[1]}` }],
      [`/tasks/${failed}/cancel`, { reason: `because of ${netlifyToken}` }],
      [`/tasks/${failed}/retry`, {}],
      [
        `/tasks/${failed}/failure`,
        { error_type: 'seen', classification: 'script', stderr: `${netlifyToken} ${tokens[0]}` },
      ],
      [`/tasks/${failed}/anneal-dismiss`, {}],
    ];
    for (const [path, json] of moves) {
      const { text } = await sendJson(app, 'POST', path, { json });
      assertSafe(path, text.replaceAll('other-secret-0123456789', ''), secrets);
      expect([path, text.includes('other-secret-0123456789')]).toEqual([path, false]);
    }
    for (const path of readable(told)) assertSafe(path, (await sendJson(app, 'GET', path)).text, secrets);
    for (const token of tokens)
      assertSafe('validate-ack', (await send(app, { path: `/mcp/validate-ack?ack_token=${token}` })).text, secrets);
  });

  test('no token is at rest in the database', async () => {
    const app = await createTestApp({ files, settings });
    await trustAll(app);
    const { tokens } = await tell(app);
    await app.stop();
    const { readFileSync, readdirSync } = await import('node:fs');
    for (const name of readdirSync(app.home).filter((one) => one.startsWith('db.sqlite'))) {
      const bytes = readFileSync(`${app.home}/${name}`, 'latin1');
      for (const secret of [...tokens, testSecret, operator, agent, netlifyToken])
        expect([name, bytes.includes(secret)]).toEqual([name, false]);
      expect([name, jwt.exec(bytes)?.[0]]).toEqual([name, undefined]);
    }
  });
});

test('what a caller puts into names and keys by mistake comes back redacted', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await sendJson(app, 'POST', '/tasks', {
    json: { [operator]: 1, task_type: 'hello', project_id: 'p', actor_id: 'me' },
  });
  expect(answer.status).toBe(400);
  expect(answer.text).not.toContain(operator);
  const path = await sendJson(app, 'GET', `/${operator}`);
  expect([path.status, path.text.includes(operator)]).toEqual([404, false]);
});

test('the trace of a request reaches the script, and what is none does not', async () => {
  const app = await createTestApp({
    files: {
      'directives/trace.md': '---\nretry: { count: 0 }\n---\n# Trace\n',
      'execution/trace.sh':
        'test -n "$TRACEPARENT" || TRACEPARENT=none\necho "\\"$TRACEPARENT\\"" > "$DOE_RESULT_FILE"\n',
    },
  });
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  for (const [given, wanted] of [
    [trace, trace],
    ['nonsense', 'none'],
    [`${trace}; rm -rf /`, 'none'],
    [`00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, 'none'],
    [undefined, 'none'],
  ] as const) {
    const { task_id } = (
      await sendJson(app, 'POST', '/tasks', {
        json: { task_type: 'trace', project_id: 'p', actor_id: 'me' },
        headers: given === undefined ? {} : { traceparent: given },
      })
    ).json();
    await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
    const task = await app.until(String(task_id), 'succeeded', 'needs_anneal');
    expect([given, task.result, task.traceparent]).toEqual([given, wanted, wanted === 'none' ? null : wanted]);
  }
});
