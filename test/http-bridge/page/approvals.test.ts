import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { onOneLine } from '../../../src/http-bridge/page/hidden-characters.js';
import { acknowledge, annealComplete, createTask } from '../../../src/tools/index.js';
import { callers, createTestApp, helloHome, type TestApp } from '../../helpers/test-app.js';
import { createVisitor, type Visitor } from '../../helpers/visitor.js';
import { trustAll } from '../../helpers/worker-home.js';

async function waiting(app: TestApp, task_id = 'hello-1', payload_json: Record<string, unknown> = {}) {
  return app.call(
    createTask,
    { task_type: 'hello', project_id: 'p1', actor_id: 'model', task_id, payload_json },
    callers.agent,
  );
}

async function signedIn(app: TestApp): Promise<Visitor> {
  const visitor = createVisitor(app);
  await visitor.signIn();
  return visitor;
}

test('a person approves on the page by typing the id of the task, and it runs', async () => {
  const app = await createTestApp();
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  expect((await visitor.get('/ui/approvals')).body).toContain('href="/ui/approvals/hello-1"');
  const shown = (await visitor.get('/ui/approvals/hello-1')).body;
  expect(shown).toContain('Says hello.');
  expect(shown).toContain(binding);
  expect(shown).toContain('execution/hello.sh');
  const answer = await visitor.post('/ui/approvals/hello-1/approve', { binding, typed: 'hello-1' });
  expect(answer.status).toBe(303);
  expect(answer.headers.location).toBe('/ui/tasks/hello-1');
  await app.until('hello-1', 'succeeded');
  const [ack] = await app.dispatcher.store.people.acks('hello-1');
  expect(ack).toMatchObject({ assurance: 'operator', channel: 'page', actorId: 'jo', principal: 'operator' });
});

test('a wrong id approves nothing', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  for (const typed of ['', 'hello', 'hello-2'])
    expect((await visitor.post('/ui/approvals/hello-1/approve', { binding, typed })).status).toBe(400);
  expect((await app.dispatcher.store.tasks.get('hello-1'))?.status).toBe('awaiting_ack');
});

test('a refusal carries its reason to whoever asked', async () => {
  const app = await createTestApp({ noWorker: true });
  await waiting(app);
  const visitor = await signedIn(app);
  await visitor.post('/ui/approvals/hello-1/reject', { reason: 'Not on a Friday.' });
  const task = await app.dispatcher.store.tasks.get('hello-1');
  expect(task).toMatchObject({ status: 'cancelled', statusReason: 'Not on a Friday.' });
});

test('what changed between the showing and the yes is shown anew and not approved', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  const refused = await visitor.post('/ui/approvals/hello-1/approve', { binding, typed: 'hello-1' });
  expect(refused.status).toBe(409);
  expect(refused.body).toContain('changed_since_shown');
  expect(refused.body).toContain('echo</span> swapped');
  const task = await app.dispatcher.store.tasks.get('hello-1');
  expect(task?.status).toBe('awaiting_ack');
  expect(task?.pins.binding).not.toBe(binding);
  expect(
    (await visitor.post('/ui/approvals/hello-1/approve', { binding: task?.pins.binding ?? '', typed: 'hello-1' }))
      .status,
  ).toBe(303);
});

test('a task whose files changed unseen offers no approval until it was taken as it is now', async () => {
  const app = await createTestApp({ noWorker: true });
  await waiting(app);
  const visitor = await signedIn(app);
  app.write({ 'execution/hello.sh': 'echo other\n' });
  const shown = (await visitor.get('/ui/approvals/hello-1')).body;
  expect(shown).not.toContain('name="typed"');
  expect(shown).toContain('Take it as it is now');
  expect(shown).toContain('was changed after this task came to wait');
  expect(shown).toContain('<span class="added">+echo other</span>');
  await visitor.post('/ui/approvals/hello-1/look-again', {});
  expect((await app.dispatcher.store.tasks.get('hello-1'))?.status).toBe('awaiting_ack');
  expect((await visitor.get('/ui/approvals/hello-1')).body).toContain('name="typed"');
});

test('a form without the token, with another session’s, or from another origin changes nothing', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  const fields = { binding, typed: 'hello-1' };
  const path = '/ui/approvals/hello-1/approve';
  const foreign =
    /name="csrf" value="([^"]+)"/.exec((await (await signedIn(app)).get('/ui/approvals')).body)?.[1] ?? '';
  expect((await visitor.post(path, { ...fields, csrf: '' })).status).toBe(403);
  expect((await visitor.post(path, { ...fields, csrf: foreign })).status).toBe(403);
  for (const headers of [
    { Origin: '' },
    { Origin: 'null' },
    { Origin: 'http://doe.localhost:1' },
    { Origin: visitor.origin.replace('doe.localhost', 'localhost') },
    { 'Sec-Fetch-Site': 'same-site' },
  ] as Record<string, string>[])
    expect((await visitor.post(path, fields, headers)).status, JSON.stringify(headers)).toBe(403);
  expect((await app.dispatcher.store.tasks.get('hello-1'))?.status).toBe('awaiting_ack');
  expect((await visitor.post(path, fields)).status).toBe(303);
});

test('no GET changes a task, whatever stands in its address', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  const before = await app.dispatcher.store.ledger.newestSeq();
  for (const end of ['approve', 'reject', 'look-again', ''])
    await visitor.get(`/ui/approvals/hello-1/${end}?typed=hello-1&binding=${binding}`);
  expect(await app.dispatcher.store.ledger.newestSeq()).toBe(before);
});

/** Every row of every table, but for what a process writes of itself. */
function rowsOf(app: TestApp): Record<string, unknown[]> {
  const db = new Database(join(app.home, 'db.sqlite'), { readonly: true });
  const tables = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[];
  const rows = tables
    .filter((name) => name !== 'processes')
    .map((name) => [name, db.prepare(`SELECT * FROM "${name}"`).all()]);
  db.close();
  return Object.fromEntries(rows);
}

test('looking at every page writes nothing into the database, not even where files have changed', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  app.write({
    'directives/hello.md': (helloHome['directives/hello.md'] ?? '').replace('Says hello', 'Says goodbye'),
    'execution/hello.sh': 'echo other\n',
  });
  const before = rowsOf(app);
  for (const path of [
    '',
    '/approvals',
    '/approvals/hello-1',
    `/approvals/hello-1/approve?typed=hello-1&binding=${binding}`,
    '/tasks',
    '/tasks/hello-1',
    '/tasks/hello-1/cancel',
    '/tasks/hello-1/log.txt',
    '/directives',
    '/directives/hello',
    '/directives/hello/start?project_id=p',
    '/anneals',
    '/audit',
    '/audit/verify',
    '/trust',
    '/passkeys',
    '/passkeys/options',
    '/pause',
    '/sign-in?code=x',
    '/sign-out',
  ])
    await visitor.get(`/ui${path}`);
  expect(rowsOf(app)).toEqual(before);
});

test('the command is shown as the worker starts it', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: {
      ...helloHome,
      'execution/hello.sh': '',
      'execution/hello.py': 'print("hello")\n',
      '.venv/bin/python': '#!/bin/sh\n',
      'directives/boxed.md': '---\nscript: hello.sh\nsandbox: bwrap\n---\nHello.\n',
    },
  });
  chmodSync(join(app.home, '.venv/bin/python'), 0o755);
  await waiting(app, 'hello-1', { name: 'Ann' });
  const visitor = await signedIn(app);
  const commandOn = async (path: string) =>
    /<pre class="command"[^>]*>([^<]*)<\/pre>/.exec((await visitor.get(path)).body)?.[1]?.split(/\n {4}/);
  expect(await commandOn('/ui/approvals/hello-1')).toEqual([
    join(app.home, '.venv/bin/python'),
    '-u',
    join(app.home, 'execution/hello.py'),
    'hello-1',
    '&lt;run token&gt;',
    '{&quot;name&quot;:&quot;Ann&quot;}',
  ]);
  await app.call(createTask, { task_type: 'boxed', project_id: 'p1', actor_id: 'me', task_id: 'boxed-1' });
  expect((await commandOn('/ui/approvals/boxed-1'))?.slice(0, 5)).toEqual([
    'bwrap',
    '&lt;as under Sandbox&gt;',
    '--',
    'bash',
    join(app.home, 'execution/hello.sh'),
  ]);
});

test('hostile Markdown, HTML, payload and script text are inert', async () => {
  const hostile = [
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '[click](javascript:alert(1))',
    '[data](data:text/html;base64,PHNjcmlwdD4=)',
    '![pixel](https://evil.example/pixel.png)',
    '<iframe src="https://evil.example"></iframe>',
    '<style>body{display:none}</style>',
    '`<svg/onload=alert(1)>`',
    'right\u202eto left',
  ].join('\n\n');
  const app = await createTestApp({
    noWorker: true,
    files: {
      ...helloHome,
      'directives/hello.md': `---\ntitle: "<b>bold\u200d</b>"\nowner: "joined\u200d"\nquestions: ["<i>why</i>"]\n---\n${hostile}\n`,
      'execution/hello.sh': 'echo "</code></pre><script>alert(2)</script>"\n',
    },
  });
  await waiting(app, 'hello-1', { '<u>key</u>': '</td><script>alert(3)</script>' });
  const { body } = await (await signedIn(app)).get('/ui/approvals/hello-1');
  const tags = [...body.matchAll(/<([a-z][a-z0-9]*)/gi)].map(([, name]) => name?.toLowerCase());
  expect(tags.filter((name) => name === 'script')).toHaveLength(1);
  for (const never of ['iframe', 'style', 'svg', 'b', 'i', 'u', 'object', 'embed']) expect(tags).not.toContain(never);
  expect(body.match(/<img /g)).toHaveLength(1);
  expect(body).not.toMatch(/href="(javascript|data):/i);
  expect(body).not.toMatch(/<[^>]+\son\w+=/i);
  expect(body).not.toMatch(/<[^>]+\sstyle=/i);
  expect(body).not.toMatch(/[\u202e\u200d]/);
  expect(body).toContain('⟨U+202E⟩');
  for (const shown of ['bold⟨U+200D⟩', 'joined⟨U+200D⟩']) expect(body).toContain(shown);
});

test('an argument with a line end forges no further argument of the command', () => {
  expect(onOneLine('a\n    --yes\tb\r')).toBe('a⟨U+000A⟩    --yes⟨U+0009⟩b⟨U+000D⟩');
});

test('what changed since this person last approved is shown word by word', async () => {
  const app = await createTestApp({ noWorker: true });
  const first = await waiting(app);
  const visitor = await signedIn(app);
  expect((await visitor.get('/ui/approvals/hello-1')).body).toContain('You have not approved this directive before.');
  await visitor.post('/ui/approvals/hello-1/approve', { binding: first.binding, typed: 'hello-1' });
  await waiting(app, 'hello-2');
  expect((await visitor.get('/ui/approvals/hello-2')).body).toContain('The directive is as you last approved it.');
  app.write({ 'directives/hello.md': (helloHome['directives/hello.md'] ?? '').replace('Says hello', 'Says goodbye') });
  await waiting(app, 'hello-3');
  const { body } = await visitor.get('/ui/approvals/hello-3');
  expect(body).toContain('<ins>goodbye</ins>');
  expect(body).toContain('<del>hello</del>');
});

test('the questions of a directive are asked, and their answers stand with the ack', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { ...helloHome, 'directives/hello.md': '---\nquestions: ["Who asked?", "Why now?"]\n---\nHello.\n' },
  });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  const unanswered = await visitor.post('/ui/approvals/hello-1/approve', { binding, typed: 'hello-1' });
  expect(unanswered.body).toContain('invalid_input');
  await visitor.post('/ui/approvals/hello-1/approve', {
    binding,
    typed: 'hello-1',
    'answer-0': 'Ann',
    'answer-1': 'Soon',
  });
  const [ack] = await app.dispatcher.store.people.acks('hello-1');
  expect(ack?.answers).toEqual(['Ann', 'Soon']);
});

test('the inbox says which yes is in force: an untrusted directive lowers nothing, whatever the floor', async () => {
  const app = await createTestApp({
    noWorker: true,
    settings: { DOE_MIN_ACK: 'agent' },
    files: { ...helloHome, 'directives/hello.md': '---\nack: agent\n---\nHello.\n' },
  });
  await waiting(app);
  const visitor = await signedIn(app);
  const needs = async () => /needs \w+/.exec((await visitor.get('/ui/approvals')).body)?.[0];
  expect(await needs()).toBe('needs client');
  await trustAll(app);
  expect(await needs()).toBe('needs agent');
});

test('a value marked as secret is set and not shown', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: {
      ...helloHome,
      'directives/hello.md':
        '---\npayload: { type: object, properties: { token: { type: string, x-doe-secret: true } } }\n---\nHello.\n',
    },
  });
  await waiting(app, 'hello-1', { token: 'very-secret-value' });
  const { body } = await (await signedIn(app)).get('/ui/approvals/hello-1');
  expect(body).not.toContain('very-secret-value');
  expect(body).toContain('(set, not shown)');
});

test('a decision elsewhere is noticed', async () => {
  const app = await createTestApp({ noWorker: true });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  await app.call(acknowledge, { task_id: 'hello-1', actor_id: 'jo', binding });
  const answer = await visitor.post('/ui/approvals/hello-1/approve', { binding, typed: 'hello-1' });
  expect(answer.status).toBe(409);
  expect(answer.body).toContain('wrong_state');
  expect((await visitor.get('/ui/approvals/hello-1')).headers.location).toBe('/ui/tasks/hello-1');
});

test('of a task that failed, the page shows what its repair changed, also in a file that the script loads', async () => {
  const app = await createTestApp({
    files: { ...helloHome, 'execution/hello.sh': '. execution/part.sh\n', 'execution/part.sh': 'exit 3\n' },
  });
  const { binding } = await waiting(app);
  const visitor = await signedIn(app);
  await visitor.post('/ui/approvals/hello-1/approve', { binding, typed: 'hello-1' });
  await app.until('hello-1', 'needs_anneal');
  app.write({ 'execution/part.sh': 'exit 0\n' });
  await app.call(annealComplete, { task_id: 'hello-1' });
  const shown = (await visitor.get('/ui/approvals/hello-1')).body;
  expect(shown).toContain('Changed since this task failed');
  expect(shown).toMatch(/execution\/part\.sh[\s\S]*-exit 3[\s\S]*\+exit 0/);
});
