import { expect, test } from 'vitest';
import { agentKey, createTestApp, createTestClock, operatorKey } from '../../helpers/test-app.js';
import { createVisitor } from '../../helpers/visitor.js';

const key = operatorKey.slice(operatorKey.indexOf(':') + 1);

test('an operator key signs in, with a cookie that no script and no other site gets', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  const answer = await visitor.signIn();
  expect(answer.status).toBe(303);
  expect(answer.headers.location).toBe('/ui');
  expect(String(answer.headers['set-cookie'])).toMatch(
    /^doe_session_\w+=[\w-]+; Max-Age=43200; Path=\/ui; HttpOnly; SameSite=Strict$/,
  );
  expect((await visitor.get('/ui/approvals')).body).toContain('Nothing waits for you.');
});

test('an agent key and a made-up one do not sign in, which stands in the audit trail', async () => {
  const app = await createTestApp({ noWorker: true });
  for (const wrong of [agentKey, 'made-up']) {
    const visitor = createVisitor(app);
    const answer = await visitor.post('/ui/sign-in', { key: wrong });
    expect(answer.status).toBe(401);
    expect(visitor.cookies.size).toBe(0);
  }
  const events = await app.dispatcher.store.ledger.events({ taskId: null, limit: 100 });
  expect(events.filter(({ type }) => type === 'sign_in_refused')).toHaveLength(2);
});

test('failed sign-ins are slowed, for the right key as well, and a one-use link still works', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const visitor = createVisitor(app);
  for (let tries = 0; tries < 3; tries++) await visitor.post('/ui/sign-in', { key: 'wrong' });
  const slowed = await visitor.post('/ui/sign-in', { key });
  expect(slowed.status).toBe(429);
  expect(slowed.headers['retry-after']).toBe('1');
  const { url } = (await (await app.request('/ui-codes', { json: {} })).json()) as { url: string };
  const code = new URL(url).searchParams.get('code') ?? '';
  expect((await visitor.post('/ui/sign-in', { code })).status).toBe(303);
  await visitor.post('/ui/sign-out', {
    csrf: /name="csrf" value="([^"]+)"/.exec((await visitor.get('/ui/approvals')).body)?.[1] ?? '',
  });
  expect((await visitor.post('/ui/sign-in', { key })).status).toBe(303);
});

test('a link signs in once and within a minute, and looking at it uses nothing up', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const visitor = createVisitor(app);
  const link = async () => {
    const { url } = (await (await app.request('/ui-codes', { json: {} })).json()) as { url: string };
    expect(url).toMatch(/^http:\/\/doe\.localhost:\d+\/ui\/sign-in\?code=[\w-]{32}$/);
    return new URL(url).searchParams.get('code') ?? '';
  };
  const code = await link();
  expect((await visitor.get(`/ui/sign-in?code=${code}`)).status).toBe(200);
  expect((await visitor.get(`/ui/sign-in?code=${code}`)).status).toBe(200);
  expect((await visitor.post('/ui/sign-in', { code })).status).toBe(303);
  expect((await createVisitor(app).post('/ui/sign-in', { code })).status).toBe(401);
  const late = await link();
  clock.advance(60_001);
  expect((await createVisitor(app).post('/ui/sign-in', { code: late })).status).toBe(401);
});

test('a link for enrolling a passkey leads there', async () => {
  const app = await createTestApp({ noWorker: true });
  const { url } = (await (await app.request('/ui-codes', { json: { to: '/ui/passkeys' } })).json()) as { url: string };
  const visitor = createVisitor(app);
  const { body } = await visitor.get(url.slice(visitor.origin.length));
  expect(body).toContain('name="to" value="/ui/passkeys"');
});

test('an agent key gets no link', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await app.request('/ui-codes', { json: {}, key: agentKey });
  expect(answer.status).toBe(403);
  expect(await answer.json()).toMatchObject({ code: 'not_allowed' });
});

test('the plain address leads to the page’s own name, takes no change, and lets a program with a key read', async () => {
  const app = await createTestApp({ noWorker: true });
  const { port } = new URL(app.address ?? '');
  const plain = createVisitor(app, '127.0.0.1');
  const answer = await plain.get('/ui/approvals?cursor=x');
  expect(answer.headers.refresh).toBe(`0; url=http://doe.localhost:${port}/ui/approvals?cursor=x`);
  expect(answer.body).toContain(`href="http://doe.localhost:${port}/ui/approvals?cursor=x"`);
  expect((await plain.post('/ui/sign-in', { key })).status).toBe(403);
  const read = await plain.get('/ui/approvals', { 'X-API-Key': key });
  expect(read.status).toBe(200);
  expect(read.body).not.toContain('Sign out');
  expect((await plain.get('/')).headers.location).toBe('/ui');
});

test('without a session a page leads to the sign-in and back, and only to the page itself', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  const answer = await visitor.get('/ui/approvals/x');
  expect(answer.headers.location).toBe('/ui/sign-in?to=%2Fui%2Fapprovals%2Fx');
  expect((await visitor.post('/ui/sign-in', { key, to: '/ui/approvals/x' })).headers.location).toBe('/ui/approvals/x');
  expect((await visitor.post('/ui/sign-out', {})).status).toBe(403);
  const other = createVisitor(app);
  expect((await other.post('/ui/sign-in', { key, to: 'https://evil.example/ui' })).headers.location).toBe('/ui');
  expect((await other.get('/ui/sign-in?to=//evil.example')).headers.location).toBe('/ui');
  for (const to of [
    '//evil.example',
    '/\\evil.example',
    '/ui\\..\\\\evil.example',
    '/ui/../..//evil.example',
    '/ui@evil.example',
    '/ui.evil.example',
    'javascript:alert(1)',
    '/ui/\nLocation: https://evil.example',
    ' https://evil.example',
  ]) {
    const location = (await createVisitor(app).post('/ui/sign-in', { key, to })).headers.location;
    expect(new URL(String(location), visitor.origin).origin, to).toBe(visitor.origin);
  }
});

test('a session that somebody else put into the browser before the sign-in is not the one that it begins', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  await visitor.signIn();
  const [name = ''] = visitor.cookies.keys();
  const planted = createVisitor(app);
  planted.cookies.set(name, 'a-value-that-the-attacker-knows');
  await planted.signIn();
  expect(planted.cookies.get(name)).not.toBe('a-value-that-the-attacker-knows');
  const attacker = createVisitor(app);
  attacker.cookies.set(name, 'a-value-that-the-attacker-knows');
  expect((await attacker.get('/ui/approvals')).status).toBe(303);
});

test('a link from another site loads the page once more, since it brought no cookie', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await createVisitor(app).get('/ui/approvals', { 'Sec-Fetch-Site': 'cross-site' });
  expect(answer.status).toBe(200);
  expect(answer.headers.refresh).toBe('0');
});

test('signing out ends the session itself, not the cookie alone', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  await visitor.signIn();
  const kept = new Map(visitor.cookies);
  expect((await visitor.post('/ui/sign-out', {})).status).toBe(303);
  for (const [name, value] of kept) visitor.cookies.set(name, value);
  expect((await visitor.get('/ui/approvals')).status).toBe(303);
});

test('a session ends after 12 hours', async () => {
  const clock = createTestClock();
  const app = await createTestApp({ noWorker: true, clock });
  const visitor = createVisitor(app);
  await visitor.signIn();
  clock.advance(12 * 60 * 60_000 - 1000);
  expect((await visitor.get('/ui/approvals')).status).toBe(200);
  clock.advance(2000);
  expect((await visitor.get('/ui/approvals')).status).toBe(303);
});

test('every answer carries the strict policy', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  for (const path of ['/ui/sign-in', '/ui/nothing', '/ui/assets/page.css', '/ui/assets/none']) {
    const { headers } = await visitor.get(path);
    expect(headers['content-security-policy'], path).toMatch(
      /^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/,
    );
    expect(headers['x-content-type-options'], path).toBe('nosniff');
    expect(headers['referrer-policy'], path).toBe('same-origin');
  }
});

test('codes tried without end neither fill the audit trail nor keep a good one out', async () => {
  const app = await createTestApp({ noWorker: true, clock: createTestClock() });
  const visitor = createVisitor(app);
  for (let tries = 0; tries < 20; tries++)
    expect((await visitor.post('/ui/sign-in', { code: `guess-${tries}` })).status).toBe(401);
  const events = await app.dispatcher.store.ledger.events({ taskId: null, limit: 100 });
  expect(events.filter(({ type }) => type === 'sign_in_refused')).toHaveLength(3);
});

test('a link works also where somebody is signed in already, and ends that session', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  await visitor.signIn();
  const before = new Map(visitor.cookies);
  const { url } = (await (await app.request('/ui-codes', { json: {} })).json()) as { url: string };
  const code = new URL(url).searchParams.get('code') ?? '';
  expect((await visitor.post('/ui/sign-in', { code, csrf: '' })).status).toBe(303);
  expect((await visitor.get('/ui/approvals')).status).toBe(200);
  const old = createVisitor(app);
  for (const [name, value] of before) old.cookies.set(name, value);
  expect((await old.get('/ui/approvals')).status).toBe(303);
});

test('behind a proxy with TLS the page takes its forms, and its cookie is for TLS alone', async () => {
  const app = await createTestApp({ noWorker: true, settings: { DOE_ALLOWED_HOSTS: 'doe.example.com' } });
  const visitor = createVisitor(app, 'doe.example.com');
  const { port } = new URL(visitor.origin);
  const headers = { Host: 'doe.example.com', Origin: 'https://doe.example.com' };
  const answer = await visitor.post('/ui/sign-in', { key }, headers);
  expect(answer.status).toBe(303);
  expect(String(answer.headers['set-cookie'])).toContain('; Secure');
  expect(
    (await visitor.post('/ui/sign-in', { key }, { ...headers, Origin: `http://doe.localhost:${port}` })).status,
  ).toBe(403);
  expect((await visitor.post('/ui/sign-in', { key }, { ...headers, Origin: 'https://evil.example' })).status).toBe(403);
});

test('a program that asks for a stream or JSON without a session is told so, not led to a form', async () => {
  const app = await createTestApp({ noWorker: true });
  const visitor = createVisitor(app);
  expect((await visitor.get('/ui/live', { Accept: 'text/event-stream' })).status).toBe(401);
  expect((await visitor.get('/ui/approvals', { Accept: '*/*' })).status).toBe(303);
});

test('the page has the files that it has, and none by a name that every object has', async () => {
  const visitor = createVisitor(await createTestApp({ noWorker: true }));
  for (const name of ['constructor', '__proto__', '..%2fsession.ts', '%2e%2e%2f%2e%2e%2f%2e%2e%2fpackage.json'])
    expect((await visitor.get(`/ui/assets/${name}`)).status).toBe(404);
});
