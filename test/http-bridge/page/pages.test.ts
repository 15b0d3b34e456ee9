import { spawnSync } from 'node:child_process';
import { request } from 'node:http';
import { hostname } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { acknowledge, createTask } from '../../../src/tools/index.js';
import { callers, createTestApp, helloHome, type TestApp } from '../../helpers/test-app.js';
import { createVisitor, type Visitor } from '../../helpers/visitor.js';

async function signedIn(app: TestApp): Promise<Visitor> {
  const visitor = createVisitor(app);
  await visitor.signIn();
  return visitor;
}

async function ran(app: TestApp, taskId = 'hello-1', ending: 'succeeded' | 'needs_anneal' = 'succeeded') {
  const { binding } = await app.call(createTask, {
    task_type: 'hello',
    project_id: 'p1',
    actor_id: 'me',
    task_id: taskId,
  });
  await app.call(acknowledge, { task_id: taskId, actor_id: 'me', binding });
  return app.until(taskId, ending);
}

/** Reads server-sent events of the page until `enough` says so. */
function readEvents(
  visitor: Visitor,
  path: string,
  enough: (text: string) => boolean,
  begun = () => {},
): Promise<string> {
  const { port, host } = new URL(visitor.origin);
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, headers: { Host: host, Cookie: cookie } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => {
        if (text === '') begun();
        text += chunk;
        if (!enough(text)) return;
        call.destroy();
        resolve(text);
      });
    });
    call.on('error', (error) => (call.destroyed ? undefined : reject(error)));
    onTestFinished(() => void call.destroy());
    call.end();
  });
}

test('the overview counts the tasks, names what waits, and pauses and resumes the home', async () => {
  const app = await createTestApp();
  await ran(app);
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'hello-2' });
  const visitor = await signedIn(app);
  const { body } = await visitor.get('/ui');
  expect(body).toContain('1 run ended in the last 24 hours, 0 of them failed');
  expect(body).toContain('href="/ui/approvals/hello-2"');
  expect(body).toContain('(1) Overview');
  await visitor.post('/ui/pause', {});
  expect(await app.dispatcher.store.tasks.paused()).toBe(true);
  expect((await visitor.get('/ui')).body).toContain('Paused: no run starts');
  await visitor.post('/ui/resume', {});
  expect(await app.dispatcher.store.tasks.paused()).toBe(false);
});

test('a task shows its way, its log in safe colours, its result and its runs', async () => {
  const app = await createTestApp({
    files: {
      ...helloHome,
      'execution/hello.sh':
        'printf "\\033[31mred\\033[0m <script>alert(1)</script>\\n"\nprintf "\\033]0;title\\007done\\n"\necho \'{"said":"hello"}\' > "$DOE_RESULT_FILE"\n',
    },
  });
  await ran(app);
  const { body } = await (await signedIn(app)).get('/ui/tasks/hello-1');
  expect(body).toContain('<span class="ansi-red">red</span>');
  expect(body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(body).not.toContain('\u001b');
  for (const text of ['created', 'approved', 'a run began', 'succeeded', '&quot;said&quot;'])
    expect(body).toContain(text);
});

test('of a task that went round for ever, the page shows how its way went on last, and says that more came before', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'hello-1' });
  const visitor = await signedIn(app);
  const steps = async () => {
    const { body } = await visitor.get('/ui/tasks/hello-1');
    return { body, names: [...body.matchAll(/<li[^>]*><strong>([^<]+)/g)].map(([, name]) => name) };
  };
  expect((await steps()).body).not.toContain('The latest');
  const by = { actorId: 'doe', principal: 'operator', channel: 'worker', keyId: null } as const;
  const refused = { taskId: 'hello-1', type: 'ack_refused', assurance: null, data: {} };
  await Promise.all(Array.from({ length: 300 }, () => app.dispatcher.store.ledger.record(refused, by)));
  await visitor.post('/ui/tasks/hello-1/cancel', {});
  const { body, names } = await steps();
  expect(names).toHaveLength(300);
  expect([names[0], names.at(-1)]).toEqual(['an approval was not allowed', 'cancelled']);
  expect(body).toContain('The latest 300 steps');
  expect(body).toContain('href="/ui/audit?task=hello-1"');
});

test('the log comes live in batches and ends with the task; the download is plain text', async () => {
  const app = await createTestApp({
    files: {
      ...helloHome,
      'execution/hello.sh':
        'for i in $(seq 1200); do printf "\\033[32mline\\033[0m $i\\n"; done\nprintf "\\033]0;title\\007done\\n"\n',
    },
  });
  await ran(app);
  const visitor = await signedIn(app);
  const text = await readEvents(visitor, '/ui/tasks/hello-1/log', (seen) => seen.includes('event: end'));
  expect(text).toContain('["stdout",');
  expect(text).toContain('[["ansi-green","line"],[""," 1200"]]');
  const download = await visitor.get('/ui/tasks/hello-1/log.txt');
  expect(download.headers['content-disposition']).toBe('attachment; filename="hello-1.log"');
  expect(download.body).toMatch(/stdout line 1200\n/);
  expect(download.body).not.toContain('\u001b');
});

test('a stream that is asked for by HEAD answers at once', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'hello-1' });
  const visitor = await signedIn(app);
  const { port, host } = new URL(visitor.origin);
  const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  for (const path of ['/ui/live', '/ui/tasks/hello-1/log']) {
    const type = await new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path, method: 'HEAD', headers: { Host: host, Cookie: cookie } };
      request(options, (answer) => answer.resume().on('end', () => resolve(answer.headers['content-type'])))
        .on('error', reject)
        .end();
    });
    expect(type, path).toContain('text/event-stream');
  }
});

test('open pages hear of a change that another process of the home made', async () => {
  const app = await createTestApp({ noWorker: true });
  const other = await createTestApp({ home: app.home, files: {}, noWorker: true });
  const visitor = await signedIn(app);
  const heard = readEvents(
    visitor,
    '/ui/live',
    (text) => text.includes('event: change'),
    () => void other.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'elsewhere' }),
  );
  expect(await heard).toMatch(
    /event: hello\ndata: \{"seq":\d+,"waiting":0\}[\s\S]*event: change\ndata: \{"seq":\d+,"tasks":\["elsewhere"\],"waiting":1\}/,
  );
});

test('a worker that was killed is shown as dead from the first look, however young its last beat', async () => {
  const app = await createTestApp({ noWorker: true });
  const pid = spawnSync('true').pid;
  const about = { kind: 'worker', pidStart: null, address: null, worker: 'on', version: '1' } as const;
  await app.dispatcher.store.ledger.join({ ...about, id: 'killed', host: hostname(), pid });
  const { body } = await (await signedIn(app)).get('/ui');
  expect(body).toContain('no sign of life');
  expect(body).toContain('0 alive');
});

test('a task is sent round again, run again as a new one, and cancelled', async () => {
  const app = await createTestApp();
  await ran(app);
  const visitor = await signedIn(app);
  const again = await visitor.post('/ui/tasks/hello-1/again', {});
  const newId = /\/ui\/approvals\/(.+)$/.exec(String(again.headers.location))?.[1] ?? '';
  expect((await app.dispatcher.store.tasks.get(newId))?.status).toBe('awaiting_ack');
  await visitor.post(`/ui/tasks/${newId}/cancel`, {});
  expect((await app.dispatcher.store.tasks.get(newId))?.status).toBe('cancelled');
  await visitor.post(`/ui/tasks/${newId}/retry`, {});
  expect((await app.dispatcher.store.tasks.get(newId))?.status).toBe('awaiting_ack');
});

test('the list of tasks filters and pages', async () => {
  const app = await createTestApp({ noWorker: true });
  for (let index = 0; index < 60; index++)
    await app.call(createTask, {
      task_type: 'hello',
      project_id: index < 55 ? 'big' : 'small',
      actor_id: 'me',
      task_id: `t-${index}`,
    });
  const visitor = await signedIn(app);
  const rowsOf = (body: string) => body.match(/data-row=""/g)?.length ?? 0;
  expect(rowsOf((await visitor.get('/ui/tasks?project_id=small')).body)).toBe(5);
  const first = (await visitor.get('/ui/tasks?project_id=big&status=awaiting_ack')).body;
  expect(rowsOf(first)).toBe(50);
  const next = /href="(\/ui\/tasks\?[^"]*cursor=[^"]+)"/.exec(first)?.[1]?.replaceAll('&amp;', '&') ?? '';
  expect(rowsOf((await visitor.get(next)).body)).toBe(5);
  expect((await visitor.get('/ui/tasks?status=nonsense')).status).toBe(400);
  const oldest = (await visitor.get('/ui/approvals')).body;
  expect(oldest.indexOf('t-0"')).toBeGreaterThan(-1);
  expect(oldest).not.toContain('/t-59"');
});

const schemaHome = {
  ...helloHome,
  'directives/hello.md': `---
payload:
  type: object
  required: [name, loud]
  properties:
    name: { type: string }
    loud: { type: boolean }
    times: { type: integer }
    tone: { type: string, enum: [warm, cold] }
    tags: { type: array, items: { type: string } }
---
# Say hello
`,
};

test('a form made of the schema starts a task with a payload of the right types', async () => {
  const app = await createTestApp({ noWorker: true, files: schemaHome });
  const visitor = await signedIn(app);
  const { body } = await visitor.get('/ui/directives/hello');
  expect(body).toContain('name="payload.name"');
  const fields = {
    project_id: 'p1',
    'payload.name': 'Ann',
    'payload.loud': 'true',
    'payload.times': '3',
    'payload.tone': '',
    'payload.tags': '["a"]',
  };
  const answer = await visitor.post('/ui/directives/hello/start', fields);
  const id = /\/ui\/approvals\/(.+)$/.exec(String(answer.headers.location))?.[1] ?? '';
  const task = await app.dispatcher.store.tasks.get(id);
  expect(task).toMatchObject({ actorId: 'jo', channel: 'page', status: 'awaiting_ack' });
  expect(JSON.parse(task?.payloadJson ?? '')).toEqual({ name: 'Ann', loud: true, times: 3, tags: ['a'] });
  const refused = await visitor.post('/ui/directives/hello/start', { ...fields, 'payload.times': 'many' });
  expect(refused.status).toBe(400);
  expect(refused.body).toContain('times is no number');
  for (const kept of ['value="Ann"', 'value="many"', '[&quot;a&quot;]', '<option value="true" selected'])
    expect(refused.body).toContain(kept);
});

test('broken and reference directives are shown with what they are', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { ...helloHome, 'directives/bad.md': '---\nunknown_key: 1\n---\n', 'directives/style.md': '# Style\n' },
  });
  const visitor = await signedIn(app);
  expect((await visitor.get('/ui/directives')).body).toContain('unknown key unknown_key');
  expect((await visitor.get('/ui/directives/bad')).body).toContain('This directive cannot be used');
  expect((await visitor.post('/ui/directives/style/start', { project_id: 'p' })).status).toBe(400);
  expect((await visitor.get('/ui/directives/none')).status).toBe(404);
});

test('an operator trusts the content that was shown, and no other', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { ...helloHome, 'directives/hello.md': '---\nrequire_ack: false\n---\nHello.\n' },
  });
  const visitor = await signedIn(app);
  const { body } = await visitor.get('/ui/directives/hello');
  const field = (name: string) => new RegExp(`name="${name}" value="([0-9a-f]{64})"`).exec(body)?.[1] ?? '';
  const shown = { kind: 'directive', id: 'hello', sha256: field('sha256'), script_sha256: field('script_sha256') };
  expect((await visitor.get('/ui/trust')).body).toContain(shown.sha256);
  app.write({ 'execution/hello.sh': 'echo other\n' });
  expect((await visitor.post('/ui/trust', shown)).status).toBe(409);
  app.write({ 'execution/hello.sh': helloHome['execution/hello.sh'] ?? '' });
  expect((await visitor.post('/ui/trust', shown)).status).toBe(303);
  expect((await visitor.get('/ui/trust')).body).toContain('Nothing asks for trust.');
  const created = await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' }, callers.agent);
  expect(created.status).toBe('queued');
});

test('revisions of a directive are kept and compared', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' });
  app.write({ 'directives/hello.md': '---\ntitle: Say hello\nversion: 2\n---\n# Say hello\n\nSays hello twice.\n' });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me' });
  const visitor = await signedIn(app);
  const { body } = await visitor.get('/ui/directives/hello');
  const compare = /href="(\/ui\/directives\/hello\?against=[0-9a-f]{64})#revisions"/.exec(body)?.[1] ?? '';
  expect((await visitor.get(compare)).body).toMatch(/<ins>[^<]*twice[^<]*<\/ins>/);
});

test('a repair shows its bundle and is completed with a note, or dismissed', async () => {
  const app = await createTestApp({
    files: { ...helloHome, 'execution/hello.sh': 'echo "no such thing" >&2\nexit 3\n' },
  });
  await ran(app, 'hello-1', 'needs_anneal');
  await ran(app, 'hello-2', 'needs_anneal');
  const visitor = await signedIn(app);
  const list = (await visitor.get('/ui/anneals?status=open')).body;
  const [second, first] = [...list.matchAll(/href="(\/ui\/anneals\/anneal_[^"]+)"/g)].map(([, path]) => path ?? '');
  const { body } = await visitor.get(first ?? '');
  for (const text of ['no such thing', 'failure.json', 'README.md', 'hello-2']) expect(body).toContain(text);
  const unchanged = await visitor.post(`${first}/complete`, { note: '' });
  expect(unchanged.status).toBe(409);
  expect(unchanged.body).toContain('nothing_changed');
  const unfit = await visitor.post(`${first}/complete`, { note: 'Once more', payload_json: '[1]' });
  expect(unfit.status).toBe(400);
  for (const kept of ['Once more', '[1]']) expect(unfit.body).toContain(kept);
  const completed = await visitor.post(`${first}/complete`, { note: 'The thing is there now.' });
  expect(completed.headers.location).toBe('/ui/approvals/hello-1');
  await visitor.post(`${second}/dismiss`, {});
  expect((await app.dispatcher.store.tasks.get('hello-2'))?.status).toBe('failed');
});

test('a repair shows what was different at the last success, in directive, script and payload, and what was mended since', async () => {
  const app = await createTestApp();
  const started = async (task_id: string, payload_json: Record<string, unknown>) => {
    const { binding } = await app.call(createTask, {
      task_type: 'hello',
      project_id: 'p1',
      actor_id: 'me',
      task_id,
      payload_json,
    });
    await app.call(acknowledge, { task_id, actor_id: 'me', binding });
  };
  await started('good', { tone: 'warm' });
  await app.until('good', 'succeeded');
  app.write({
    'directives/hello.md': (helloHome['directives/hello.md'] ?? '').replace('Says hello', 'Says <b>nothing</b>'),
    'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\nexit 3\n',
  });
  await started('bad', { tone: 'cold' });
  const { aid } = await app.until('bad', 'needs_anneal');
  const visitor = await signedIn(app);
  const before = (await visitor.get(`/ui/anneals/${aid}`)).body;
  for (const line of [
    '<span class="removed">-Says hello.</span>',
    '<span class="added">+Says &lt;b&gt;nothing&lt;/b&gt;.</span>',
    '<span class="added">+exit 3</span>',
    '<span class="removed">-  &quot;tone&quot;: &quot;warm&quot;</span>',
    '<span class="added">+  &quot;tone&quot;: &quot;cold&quot;</span>',
    'Directive and script are as they were when it failed.',
  ])
    expect(before).toContain(line);
  expect(before).not.toContain('<b>nothing</b>');

  app.write({ 'execution/hello.sh': helloHome['execution/hello.sh'] ?? '' });
  expect((await visitor.get(`/ui/anneals/${aid}`)).body).toContain('<span class="removed">-exit 3</span>');
  await visitor.post(`/ui/anneals/${aid}/complete`, { note: '', payload_json: '{"tone":"warm"}' });
  const task = await app.dispatcher.store.tasks.get('bad');
  expect(task).toMatchObject({ status: 'awaiting_ack', payloadJson: '{"tone":"warm"}' });
});

test('a repair whose context was written over, and one of a directive that is gone, can still be looked at', async () => {
  const app = await createTestApp({ files: { ...helloHome, 'execution/hello.sh': 'exit 3\n' } });
  const { aid } = await ran(app, 'hello-1', 'needs_anneal');
  const visitor = await signedIn(app);
  expect((await visitor.get(`/ui/anneals/${aid}`)).body).toContain('This directive had never succeeded here.');
  app.write({
    [`anneal-tasks/${aid}/context.json`]: '{"differs":"<script>alert(1)</script>"}',
    'directives/hello.md': '---\nnope: 1\n---\n',
  });
  const { status, body } = await visitor.get(`/ui/anneals/${aid}`);
  expect(status).toBe(200);
  expect(body).toContain('context.json cannot be read');
  expect(body).not.toContain('<script>alert');
});

test('the audit trail is read newest first, by task, event and actor', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'ann', task_id: 'hello-1' });
  const visitor = await signedIn(app);
  const rowsOf = (body: string) => (body.match(/<tr>/g)?.length ?? 1) - 1;
  expect(rowsOf((await visitor.get('/ui/audit')).body)).toBe(2);
  expect(rowsOf((await visitor.get('/ui/audit?type=created&actor=ann&task=hello-1')).body)).toBe(1);
  expect((await visitor.get('/ui/audit?actor=nobody')).body).toContain('Nothing fits in this stretch.');
  expect((await visitor.post('/ui/audit/verify', {})).body).toContain('The trail holds');
});

test('the browser has its half of passkeys from here, and nothing else of the packages', async () => {
  const visitor = await signedIn(await createTestApp({ noWorker: true }));
  const { status, headers, body } = await visitor.get('/ui/assets/webauthn/index.js');
  expect([status, headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8']);
  expect(body).toContain('startAuthentication');
  for (const name of ['webauthn/../package.json', 'webauthn/%2e%2e/package.json', 'webauthn/index.d.ts', 'webauthn'])
    expect([name, (await visitor.get(`/ui/assets/${name}`)).status]).toEqual([name, 404]);
});

test('a page with its assets weighs less than 150 KB', async () => {
  const app = await createTestApp({ noWorker: true });
  await app.call(createTask, { task_type: 'hello', project_id: 'p1', actor_id: 'me', task_id: 'hello-1' });
  const visitor = await signedIn(app);
  const assets = await Promise.all(
    ['page.css', 'simple.min.css', 'page.js', 'icon.svg'].map((name) => visitor.get(`/ui/assets/${name}`)),
  );
  const weight = assets.reduce((sum, { body }) => sum + body.length, 0);
  for (const path of ['/ui', '/ui/approvals', '/ui/approvals/hello-1', '/ui/tasks/hello-1'])
    expect(weight + (await visitor.get(path)).body.length, path).toBeLessThan(150_000);
});
