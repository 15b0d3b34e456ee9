import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { healthProver } from '../../src/acks/health-proof.js';
import { send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, testSecret } from '../helpers/test-app.js';

const proofOf = healthProver(testSecret);

test('says who answers, without a key and without naming a path', async () => {
  const app = await createTestApp();
  const { status, text, json } = await send(app, { path: '/health' });
  expect(status).toBe(200);
  expect(json()).toEqual({
    ok: true,
    name: 'doe-dispatcher',
    version: app.dispatcher.version,
    home_id: expect.stringMatching(/^[0-9a-f]{24}$/),
    worker: 'on',
  });
  expect(text).not.toContain(app.home);
});

test('two homes differ; one home without a worker says so', async () => {
  const [one, other] = [await createTestApp({ noWorker: true }), await createTestApp({ noWorker: true })];
  const [first, second] = [
    (await send(one, { path: '/health' })).json(),
    (await send(other, { path: '/health' })).json(),
  ];
  expect(first.home_id).not.toBe(second.home_id);
  expect(first.worker).toBe('off');
});

test('proves by a nonce that it knows the secret, for the address that was dialed', async () => {
  const app = await createTestApp({ noWorker: true });
  const address = app.address ?? '';
  const { port } = new URL(address);
  const ask = async (host: string) =>
    (await send(app, { path: '/health?nonce=n-1', headers: { Host: host } })).json().proof;
  expect(await ask(`127.0.0.1:${port}`)).toBe(proofOf('n-1', address));
  const other = (await send(app, { path: '/health?nonce=n-2' })).json().proof;
  expect(other).not.toBe(proofOf('n-1', address));
  expect(healthProver(`${testSecret}!`)('n-2', address)).not.toBe(other);
});

test('a nonce that is none, or too long, gets no proof', async () => {
  const app = await createTestApp({ noWorker: true });
  expect((await send(app, { path: '/health' })).json()).not.toHaveProperty('proof');
  expect((await send(app, { path: `/health?nonce=${'x'.repeat(257)}` })).json()).not.toHaveProperty('proof');
});

test('names of this machine at which it does not listen get no proof, where a stranger could be; they answer as before', async () => {
  const app = await createTestApp({ noWorker: true, settings: { DOE_ALLOWED_HOSTS: 'localhost,doe.example.com' } });
  const { port } = new URL(app.address ?? '');
  const ask = (name: string) => send(app, { path: '/health?nonce=n-1', headers: { Host: `${name}:${port}` } });
  for (const name of ['localhost', 'LOCALHOST', '[::1]', 'doe.localhost']) {
    const { status, json } = await ask(name);
    expect([name, status, json().proof]).toEqual([name, 200, undefined]);
  }
  expect((await ask('doe.example.com')).json().proof).toBe(proofOf('n-1', `http://doe.example.com:${port}`));
});

test("a stranger's relay on another port gets no proof that fits its own address, whatever Host it passes on", async () => {
  const app = await createTestApp({ noWorker: true });
  const { host } = new URL(app.address ?? '');
  let passOn: 'as it came' | 'as ours' = 'as it came';
  const relay = createServer(async (incoming, outgoing) => {
    const headers = { Host: passOn === 'as ours' ? host : (incoming.headers.host ?? '') };
    const answer = await send(app, { path: incoming.url ?? '', headers });
    outgoing.writeHead(answer.status).end(answer.text);
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void relay.close());
  const address = `http://127.0.0.1:${(relay.address() as { port: number }).port}`;
  const wanted = proofOf('n-3', address);
  const first = await send({ address }, { path: '/health?nonce=n-3' });
  expect([first.status, first.json().code]).toEqual([403, 'host_not_allowed']);
  passOn = 'as ours';
  const second = await send({ address }, { path: '/health?nonce=n-3' });
  expect(second.json().proof).toBe(proofOf('n-3', app.address ?? ''));
  expect(second.json().proof).not.toBe(wanted);
});

test('the port of the scripts answers scripts alone', async () => {
  const app = await createTestApp({
    files: {
      'directives/where.md': '---\nretry: { count: 0 }\n---\n# Where\n',
      'execution/where.sh': 'echo "\\"$MCP_URL\\"" > "$DOE_RESULT_FILE"\n',
    },
  });
  const { task_id } = (
    await sendJson(app, 'POST', '/tasks', { json: { task_type: 'where', project_id: 'p', actor_id: 'me' } })
  ).json();
  await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
  const { result } = await app.until(String(task_id), 'succeeded');
  const scripts = { address: String(result) };
  expect(scripts.address).not.toBe(app.address);
  expect((await send(scripts, { path: '/health' })).status).toBe(200);
  expect((await send(scripts, { path: '/mcp/validate-ack' })).json().code).toBe('token_missing');
  for (const path of ['/tasks', '/directives', '/metrics', '/openapi.json', '/ui', '/', '/mcp', '/sse', '/trust'])
    expect([path, (await sendJson(scripts, 'GET', path)).status]).toEqual([path, 404]);
});
