import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sendJson } from '../helpers/raw-http.js';
import { createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';

const hello = { task_type: 'hello', project_id: 'p1', actor_id: 'me' };
const sha256 = /^[0-9a-f]{64}$/;
const utc = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const failingHome = {
  'directives/broken-job.md': '---\nversion: 3\nscript: broken_job.sh\nretry: { count: 0 }\n---\n# Fails\n',
  'execution/broken_job.sh': 'echo "about to fail"\necho "it broke" >&2\nexit 7\n',
};

async function created(app: TestApp, more: object = {}): Promise<{ task_id: string; binding: string }> {
  const { json } = await sendJson(app, 'POST', '/tasks', { json: { ...hello, ...more } });
  return json() as { task_id: string; binding: string };
}

async function failed(app: TestApp): Promise<string> {
  const { task_id } = await created(app, { task_type: 'broken-job' });
  await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
  await app.until(task_id, 'needs_anneal');
  return task_id;
}

describe('POST /tasks', () => {
  test('answers 201 with the task, its binding and the directive to read', async () => {
    const app = await createTestApp({ noWorker: true });
    const answer = await sendJson(app, 'POST', '/tasks', { json: hello });
    expect(answer.status).toBe(201);
    const task = answer.json();
    expect(task).toMatchObject({
      ok: true,
      status: 'awaiting_ack',
      binding: expect.stringMatching(sha256),
      directive: {
        id: 'hello',
        task_type: 'hello',
        version: 1,
        sha256: expect.stringMatching(sha256),
        content: helloHome['directives/hello.md'],
        require_ack: true,
        ack: 'client',
        trusted: false,
        questions: [],
        auto_anneal: true,
        retry: { count: 0 },
      },
      next: expect.stringContaining('acknowledge'),
    });
    expect(task.task_id).toMatch(/^hello-[a-z0-9]{12}$/);
    expect(task.approve_url).toBe(`${app.address}/ui/approvals/${String(task.task_id)}`);
    expect((await fetch(String(task.approve_url))).status).toBe(200);
  });

  test('the same again is 200 and the same task; each other content is 409', async () => {
    const app = await createTestApp({ noWorker: true });
    const run_after = new Date(Date.now() + 3_600_000).toISOString();
    const wanted = { ...hello, task_id: 'T-1', payload_json: { a: 1, b: [2] }, priority: 3, run_after };
    const first = await sendJson(app, 'POST', '/tasks', { json: wanted });
    expect([first.status, first.json().task_id]).toEqual([201, 'T-1']);
    const again = await sendJson(app, 'POST', '/tasks', {
      json: { ...wanted, payload_json: '{"b":[2],"a":1}', actor_id: 'another' },
    });
    expect([again.status, again.json().task_id, again.json().binding]).toEqual([200, 'T-1', first.json().binding]);
    for (const other of [
      { project_id: 'p2' },
      { payload_json: { a: 2 } },
      { priority: 0 },
      { run_after: new Date(Date.now() + 7_200_000).toISOString() },
    ]) {
      const refused = await sendJson(app, 'POST', '/tasks', { json: { ...wanted, ...other } });
      expect([refused.status, refused.json().code]).toEqual([409, 'task_exists']);
      expect(refused.json().error).toContain(Object.keys(other)[0]);
    }
    expect((await sendJson(app, 'GET', '/tasks')).json().tasks).toHaveLength(1);
  });

  const uploadHome = {
    'directives/up.md':
      '---\nretry: { count: 0 }\npayload: { type: object, properties: { zip: { type: string, x-doe-path: true } } }\n---\n# Up\n',
    'execution/up.sh': 'true\n',
    'in/site.zip': 'one',
  };
  const upload = { ...hello, task_type: 'up', task_id: 'T-1', payload_json: { zip: 'in/site.zip' } };
  const edited = '---\ntitle: Other\nversion: 2\n---\n# Other\n';

  test.each<[string, (app: TestApp) => void]>([
    ['the file that it names', (app) => rmSync(join(app.home, 'in/site.zip'))],
    ['its directive', (app) => rmSync(join(app.home, 'directives/up.md'))],
    ['its script', (app) => rmSync(join(app.home, 'execution/up.sh'))],
    ['the text of its directive', (app) => app.write({ 'directives/up.md': edited })],
  ])('the same again is the same task when %s is there no more', async (_what, change) => {
    const app = await createTestApp({ noWorker: true, files: uploadHome });
    const { created: _made, ...first } = (await sendJson(app, 'POST', '/tasks', { json: upload })).json();
    change(app);
    const again = await sendJson(app, 'POST', '/tasks', { json: upload });
    expect([again.status, again.json()]).toEqual([200, { ...first, created: false }]);
    const refused = await sendJson(app, 'POST', '/tasks', { json: { ...upload, task_type: 'nothing' } });
    expect([refused.status, refused.json().code]).toEqual([409, 'task_exists']);
  });

  test('of two equal creates at once one makes the task, and both get it', async () => {
    const app = await createTestApp({ noWorker: true, files: uploadHome });
    const answers = await Promise.all([1, 2, 3].map(() => sendJson(app, 'POST', '/tasks', { json: upload })));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 201]);
    expect(new Set(answers.map(({ json }) => JSON.stringify([json().binding, json().directive])))).toHaveLength(1);
  });

  test('after a repair with another payload, the first request and the corrected one are both this task', async () => {
    const app = await createTestApp({ noWorker: true });
    const wanted = { ...hello, task_id: 'T-1', payload_json: { site: 'wrong' } };
    const corrected = { site: 'right' };
    await sendJson(app, 'POST', '/tasks', { json: wanted });
    await sendJson(app, 'POST', '/tasks/T-1/failure', { json: { error_type: 'x', classification: 'script' } });
    await sendJson(app, 'POST', '/tasks/T-1/anneal-complete', { json: { payload_json: corrected } });
    for (const payload_json of [wanted.payload_json, corrected])
      expect((await sendJson(app, 'POST', '/tasks', { json: { ...wanted, payload_json } })).status).toBe(200);
    const other = await sendJson(app, 'POST', '/tasks', { json: { ...wanted, payload_json: {} } });
    expect([other.status, other.json().code]).toEqual([409, 'task_exists']);
  });

  const wrongTasks: [string, object, number, string][] = [
    ['an unknown task type', { task_type: 'nothing' }, 404, 'directive_not_found'],
    ['a task id with a slash', { task_id: 'a/b' }, 400, 'invalid_input'],
    ['a task id that begins with a dot', { task_id: '.hidden' }, 400, 'invalid_input'],
    ['a task id of 129 characters', { task_id: 'a'.repeat(129) }, 400, 'invalid_input'],
    ['an empty task id', { task_id: '' }, 400, 'invalid_input'],
    ['a priority of 11', { priority: 11 }, 400, 'invalid_input'],
    ['a priority of 0.5', { priority: 0.5 }, 400, 'invalid_input'],
    ['a run_after that is no time', { run_after: 'tomorrow' }, 400, 'invalid_input'],
    [
      'a run_after in eight days',
      { run_after: new Date(Date.now() + 8 * 86_400_000).toISOString() },
      400,
      'invalid_input',
    ],
    ['a payload that is a list', { payload_json: [] }, 400, 'invalid_input'],
    ['a payload text that is a list', { payload_json: '[]' }, 400, 'invalid_payload'],
    ['a payload text that is no JSON', { payload_json: '{' }, 400, 'invalid_input'],
    ['a payload text with a key twice', { payload_json: '{"a":1,"a":2}' }, 400, 'invalid_input'],
    ['a payload over 64 KiB', { payload_json: { text: 'x'.repeat(65_536) } }, 413, 'too_large'],
    ['a payload with a lone surrogate', { payload_json: { text: '\ud800' } }, 400, 'invalid_input'],
    ['a name with a line break', { project_id: 'a\nb' }, 400, 'invalid_input'],
    ['a missing actor', { actor_id: undefined }, 400, 'invalid_input'],
  ];

  test('refuses what is wrong by code, and makes nothing', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const [what, wrong, status, code] of wrongTasks) {
      const answer = await sendJson(app, 'POST', '/tasks', { json: { ...hello, ...wrong } });
      expect([what, answer.status, answer.json().code]).toEqual([what, status, code]);
      expect(answer.json()).toMatchObject({ ok: false, error: expect.any(String), hint: expect.any(String) });
    }
    expect((await sendJson(app, 'GET', '/tasks')).json().tasks).toEqual([]);
  });

  test('a task id of 128 characters and a payload just within 64 KiB are taken', async () => {
    const app = await createTestApp({ noWorker: true });
    const payload_json = { text: 'x'.repeat(65_536 - '{"text":""}'.length) };
    const answer = await sendJson(app, 'POST', '/tasks', {
      json: { ...hello, task_id: 'a'.repeat(128), payload_json },
    });
    expect(answer.status).toBe(201);
  });
});

describe('the way of one task', () => {
  test('acknowledge answers the token once, and the run ends with its result', async () => {
    const app = await createTestApp();
    const { task_id, binding } = await created(app);
    const ack = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me', binding } });
    expect(ack.status).toBe(200);
    expect(ack.json()).toMatchObject({
      ok: true,
      ack_id: expect.stringMatching(/^ack_/),
      ack_token: expect.stringMatching(/^eyJ/),
      expires_at: expect.stringMatching(utc),
      assurance: 'operator',
      status: 'queued',
    });
    await app.until(task_id, 'succeeded');
    const status = await sendJson(app, 'GET', `/tasks/${task_id}/status`);
    expect(status.status).toBe(200);
    expect(status.json().task).toEqual({
      task_id,
      task_type: 'hello',
      project_id: 'p1',
      actor_id: 'me',
      status: 'succeeded',
      status_reason: null,
      directive: { id: 'hello', version: 1, sha256: expect.stringMatching(sha256) },
      payload: {},
      attempts: 1,
      max_attempts: 1,
      priority: 0,
      run_after: null,
      progress: null,
      progress_text: null,
      assurance: 'operator',
      outcome: 'succeeded',
      result: { said: 'hello' },
      aid: null,
      created_at: expect.stringMatching(utc),
      updated_at: expect.stringMatching(utc),
      started_at: expect.stringMatching(utc),
      finished_at: expect.stringMatching(utc),
    });
    expect(status.json().logs).toContainEqual({
      id: expect.any(Number),
      run_id: expect.stringMatching(/^run_/),
      stream: 'stdout',
      text: 'hello p1',
      at: expect.stringMatching(utc),
    });
  });

  test('a second acknowledgement is 409', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
    const again = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
    expect([again.status, again.json().code]).toEqual([409, 'wrong_state']);
  });

  test('another binding, or a directive edited since, is 409 and the task is pinned anew', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id, binding } = await created(app);
    const other = await sendJson(app, 'POST', '/mcp/acknowledge', {
      json: { task_id, actor_id: 'me', binding: '0'.repeat(64) },
    });
    expect([other.status, other.json().code]).toEqual([409, 'changed_since_shown']);
    app.write({ 'directives/hello.md': '---\ntitle: Other\nversion: 2\n---\n# Other\n' });
    const changed = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me', binding } });
    expect([changed.status, changed.json().code]).toEqual([409, 'changed_since_shown']);
    const { task } = (await sendJson(app, 'GET', `/tasks/${task_id}/status`)).json() as { task: object };
    expect(task).toMatchObject({ status: 'awaiting_ack', directive: { version: 2 } });
  });

  test('a refusal cancels and gives no token', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    const refused = await sendJson(app, 'POST', '/mcp/acknowledge', {
      json: { task_id, actor_id: 'me', decision: 'reject', reason: 'Not now.' },
    });
    expect(refused.json()).toMatchObject({ ok: true, ack_id: null, status: 'cancelled', assurance: null });
    expect(refused.json()).not.toHaveProperty('ack_token');
    const { task } = (await sendJson(app, 'GET', `/tasks/${task_id}/status`)).json();
    expect(task).toMatchObject({ status: 'cancelled', status_reason: 'Not now.' });
  });

  test('a refusal of another binding is 409 and cancels nothing; one whose files are gone can be refused', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id, binding } = await created(app);
    const reject = (given: string) =>
      sendJson(app, 'POST', '/mcp/acknowledge', {
        json: { task_id, actor_id: 'me', decision: 'reject', binding: given },
      });
    const wrong = await reject('0'.repeat(64));
    expect([wrong.status, wrong.json().code]).toEqual([409, 'changed_since_shown']);
    expect((await app.dispatcher.store.tasks.get(task_id))?.status).toBe('awaiting_ack');
    rmSync(join(app.home, 'directives/hello.md'));
    expect((await reject(binding)).json()).toMatchObject({ ok: true, status: 'cancelled' });
    const late = await reject('0'.repeat(64));
    expect([late.status, late.json().code]).toEqual([409, 'wrong_state']);
  });

  test('questions are answered each, as a list or its text', async () => {
    const app = await createTestApp({
      noWorker: true,
      files: {
        'directives/ask.md': '---\nquestions: ["Which site?", "Sure?"]\n---\n# Ask\n',
        'execution/ask.sh': 'true\n',
      },
    });
    const { task_id } = await created(app, { task_type: 'ask' });
    const answer = (answers_json: unknown) =>
      sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me', answers_json } });
    for (const wrong of [undefined, ['one'], '["one", ""]', 'nonsense', ['a', 'b', 'c']]) {
      const refused = await answer(wrong);
      expect([refused.status, refused.json().code]).toEqual([400, 'invalid_input']);
    }
    expect((await answer('["shop", "yes"]')).status).toBe(200);
  });

  test('with a later run_after the 15 minutes begin there', async () => {
    const app = await createTestApp({ noWorker: true });
    const at = Date.now() + 24 * 3_600_000;
    const { task_id } = await created(app, { run_after: new Date(at).toISOString() });
    const ack = await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
    expect(Date.parse(String(ack.json().expires_at))).toBe(Math.floor((at + 15 * 60_000) / 1000) * 1000);
  });
});

describe('GET /tasks/:id/status', () => {
  test('waits for the next change and answers then', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    const waiting = sendJson(app, 'GET', `/tasks/${task_id}/status?wait_seconds=45`);
    const gate = app.dispatcher.store.tasks;
    await sendJson(app, 'POST', `/tasks/${task_id}/cancel`, { json: {} });
    expect((await waiting).json().task).toMatchObject({ status: 'cancelled' });
    expect((await gate.get(task_id))?.status).toBe('cancelled');
  });

  test('a wait that a stop meets is answered with the present state', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    const { store } = app.dispatcher;
    const { watch } = store;
    const begun = new Promise<void>((resolve) => {
      store.watch = (listener) => {
        resolve();
        return watch(listener);
      };
    });
    const waiting = sendJson(app, 'GET', `/tasks/${task_id}/status?wait_seconds=45`);
    await begun;
    await app.stop();
    const { status, json } = await waiting;
    expect([status, json().task]).toMatchObject([200, { task_id, status: 'awaiting_ack' }]);
  });

  test('a settled task, or lines after the given one, answer at once', async () => {
    const app = await createTestApp();
    const { task_id } = await created(app);
    await sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });
    await app.until(task_id, 'succeeded');
    const { logs } = (await sendJson(app, 'GET', `/tasks/${task_id}/status?wait_seconds=45`)).json() as {
      logs: { id: number }[];
    };
    const last = logs.at(-1)?.id ?? 0;
    const after = (await sendJson(app, 'GET', `/tasks/${task_id}/status?wait_seconds=45&after=${last}`)).json();
    expect(after.logs).toEqual([]);
  });

  test('refuses a wait or a log id out of bounds, by name', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    for (const query of [
      'wait_seconds=46',
      'wait_seconds=-1',
      'wait_seconds=soon',
      'wait_seconds=',
      'after=-1',
      'after=1.5',
    ]) {
      const answer = await sendJson(app, 'GET', `/tasks/${task_id}/status?${query}`);
      expect([query, answer.status, answer.json().code]).toEqual([query, 400, 'invalid_input']);
      expect(answer.json().error).toContain(query.split('=')[0]);
    }
  });
});

describe('failure and repair', () => {
  test('a bundle is listed, read, and completed only with something changed', async () => {
    const app = await createTestApp({ files: failingHome });
    const task_id = await failed(app);
    const { anneals } = (await sendJson(app, 'GET', '/anneals')).json() as { anneals: { aid: string }[] };
    expect(anneals).toEqual([
      expect.objectContaining({ task_id, status: 'open', classification: expect.any(String), exit_code: 7 }),
    ]);
    const bundle = (await sendJson(app, 'GET', `/anneals/${anneals[0]?.aid}`)).json() as { files: { name: string }[] };
    expect(bundle.files.map(({ name }) => name).sort()).toEqual([
      'README.md',
      'context.json',
      'directive.md',
      'execution_script.sh',
      'failure.json',
      'log.txt',
      'task_payload.json',
    ]);
    const unchanged = await sendJson(app, 'POST', `/tasks/${task_id}/anneal-complete`, { json: { actor_id: 'me' } });
    expect([unchanged.status, unchanged.json().code]).toEqual([409, 'nothing_changed']);
    app.write({ 'execution/broken_job.sh': 'true\n' });
    const done = await sendJson(app, 'POST', `/tasks/${task_id}/anneal-complete`, { json: {} });
    expect(done.json()).toMatchObject({ ok: true, task_id, status: 'awaiting_ack' });
    const again = await sendJson(app, 'POST', `/tasks/${task_id}/anneal-complete`, { json: {} });
    expect([again.status, again.json().code]).toEqual([409, 'wrong_state']);
  });

  test('a note, or another payload, completes it too', async () => {
    const app = await createTestApp({ files: failingHome });
    const task_id = await failed(app);
    const done = await sendJson(app, 'POST', `/tasks/${task_id}/anneal-complete`, {
      json: { note: 'The service is up again.' },
    });
    expect(done.json()).toMatchObject({ status: 'awaiting_ack' });
    const other = await failed(app);
    const repaid = await sendJson(app, 'POST', `/tasks/${other}/anneal-complete`, { json: { payload_json: { a: 1 } } });
    expect(repaid.json()).toMatchObject({ status: 'awaiting_ack' });
  });

  test('dismiss, retry and cancel move as the table of states says, and else are 409', async () => {
    const app = await createTestApp({ files: failingHome });
    const task_id = await failed(app);
    const move = (name: string) => sendJson(app, 'POST', `/tasks/${task_id}/${name}`, { json: { actor_id: 'me' } });
    expect((await move('retry')).json().code).toBe('wrong_state');
    expect((await move('cancel')).json().code).toBe('wrong_state');
    expect((await move('anneal-dismiss')).json()).toMatchObject({ ok: true, task_id, status: 'failed' });
    expect((await move('anneal-dismiss')).status).toBe(409);
    expect((await move('retry')).json()).toMatchObject({ ok: true, task_id, status: 'awaiting_ack' });
    expect((await move('cancel')).json()).toMatchObject({ ok: true, task_id, status: 'cancelled' });
    expect((await move('cancel')).status).toBe(409);
  });

  test('a failure seen outside a run opens a bundle', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    const body = { error_type: 'http_502', classification: 'infrastructure', stderr: 'bad gateway', attempts: 2 };
    const answer = await sendJson(app, 'POST', `/tasks/${task_id}/failure`, { json: body });
    expect([answer.status, answer.json().aid]).toEqual([200, expect.stringMatching(/^anneal_\d{8}T\d{9}Z_/)]);
    expect((await sendJson(app, 'POST', `/tasks/${task_id}/failure`, { json: body })).status).toBe(409);
    const wrong = { ...body, classification: 'bad luck' };
    expect((await sendJson(app, 'POST', `/tasks/${task_id}/failure`, { json: wrong })).status).toBe(400);
  });
});

describe('reading', () => {
  test('tasks are filtered and paged', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const project_id of ['p1', 'p2', 'p1']) await created(app, { project_id });
    const list = async (query: string) =>
      (await sendJson(app, 'GET', `/tasks?${query}`)).json() as {
        tasks: { project_id: string }[];
        next_cursor: string | null;
      };
    expect((await list('project_id=p1')).tasks).toHaveLength(2);
    expect((await list('status=queued')).tasks).toEqual([]);
    expect((await list('task_type=hello&status=awaiting_ack')).tasks).toHaveLength(3);
    const first = await list('limit=2');
    expect(first.tasks.map(({ project_id }) => project_id)).toEqual(['p1', 'p2']);
    const second = await list(`limit=2&cursor=${first.next_cursor}`);
    expect([second.tasks.map(({ project_id }) => project_id), second.next_cursor]).toEqual([['p1'], null]);
    for (const wrong of ['status=open', 'limit=0', 'limit=201', 'limit=x', 'cursor=abc', 'project_id=']) {
      const answer = await sendJson(app, 'GET', `/tasks?${wrong}`);
      expect([answer.status, answer.json().code]).toEqual([400, 'invalid_input']);
    }
  });

  test('directives, broken ones with their error, and one by its id', async () => {
    const app = await createTestApp({
      noWorker: true,
      files: { ...helloHome, 'directives/bad.md': '---\nunknown_key: 1\n---\n', 'directives/notes.md': '# Notes\n' },
    });
    const { directives } = (await sendJson(app, 'GET', '/directives')).json() as { directives: { kind: string }[] };
    expect(directives.map(({ kind }) => kind).sort()).toEqual(['broken', 'reference', 'task']);
    const one = await sendJson(app, 'GET', '/directives/hello');
    expect(one.json()).toMatchObject({ ok: true, id: 'hello', content: helloHome['directives/hello.md'] });
    const none = await sendJson(app, 'GET', '/directives/nothing');
    expect([none.status, none.json().code]).toEqual([404, 'directive_not_found']);
  });

  test('a directive is read from a character on, and one beyond its end is 400', async () => {
    const app = await createTestApp({ noWorker: true });
    const content = (await app.dispatcher.directives.byId('hello'))?.content ?? '';
    const read = async (offset: number) => (await app.request(`/directives/hello?offset=${offset}`)).json();
    expect(await read(10)).toMatchObject({ ok: true, content: content.slice(10) });
    expect(await read(content.length)).toMatchObject({ ok: true, content: '' });
    expect(await read(content.length + 1)).toMatchObject({ ok: false, code: 'invalid_input' });
  });

  test('automations are listed, run, planned, and refused by name', async () => {
    const app = await createTestApp({ noWorker: true });
    const { automations } = (await sendJson(app, 'GET', '/automations')).json() as { automations: { name: string }[] };
    expect(automations.map(({ name }) => name)).toContain('create-client-folder');
    const run = (json: object) => sendJson(app, 'POST', '/run', { json });
    expect((await run({ automation: 'list-clients', params: {} })).json()).toMatchObject({ ok: true });
    const planned = await run({ automation: 'create-client-folder', params: { client_name: 'acme' }, dryRun: true });
    expect([planned.status, planned.json()]).toEqual([200, expect.objectContaining({ ok: true })]);
    expect((await run({ automation: 'create-client-folder', params: { client_name: 'Not Kebab' } })).status).toBe(400);
    expect((await run({ automation: 'nothing' })).json().code).toBe('automation_not_found');
  });

  const nothingThere: [string, string, number, string][] = [
    ['GET', '/tasks/none/status', 404, 'task_not_found'],
    ['GET', '/tasks/none/logs', 404, 'task_not_found'],
    ['GET', '/tasks/none/review', 404, 'task_not_found'],
    ['POST', '/tasks/none/cancel', 404, 'task_not_found'],
    ['POST', '/tasks/none/retry', 404, 'task_not_found'],
    ['POST', '/tasks/none/anneal-dismiss', 404, 'task_not_found'],
    ['POST', '/tasks/none/anneal-complete', 404, 'task_not_found'],
    ['GET', '/tasks/..%2f..%2fetc/status', 400, 'invalid_input'],
    ['GET', '/tasks/%ff/status', 400, 'invalid_input'],
    ['GET', '/anneals/none', 404, 'anneal_not_found'],
    ['GET', '/anneals/..%2f..%2f.env', 404, 'anneal_not_found'],
    ['GET', '/directives/..%2fhello', 404, 'directive_not_found'],
    ['GET', '/nothing', 404, 'not_found'],
  ];

  test('what is not there is 404 by its kind, and a name that cannot be one is 400', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const [method, path, status, code] of nothingThere) {
      const answer = await sendJson(app, method, path, method === 'POST' ? { json: {} } : {});
      expect([path, answer.status, answer.json().code]).toEqual([path, status, code]);
    }
  });
});

describe('methods', () => {
  test('another method on a known path is 405 and says which ones there are', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const [method, path, allow] of [
      ['DELETE', '/tasks', 'POST, GET, HEAD'],
      ['PUT', '/tasks/x/status', 'GET, HEAD'],
      ['GET', '/tasks/x/cancel', 'POST'],
      ['OPTIONS', '/mcp/acknowledge', 'POST'],
      ['POST', '/health', 'GET, HEAD'],
      ['PATCH', '/mcp/validate-ack', 'GET, HEAD'],
      ['GET', '/integrations/a/b', 'POST'],
    ] as const) {
      const answer = await sendJson(app, method, path);
      expect([path, answer.status, answer.json().code]).toEqual([path, 405, 'method_not_allowed']);
      expect(answer.headers.allow).toBe(allow);
    }
  });

  test('HEAD answers as GET does, without a body', async () => {
    const app = await createTestApp({ noWorker: true });
    const { task_id } = await created(app);
    for (const path of ['/health', '/tasks', `/tasks/${task_id}/logs`]) {
      const answer = await sendJson(app, 'HEAD', path, { headers: { Accept: 'text/event-stream' } });
      expect([path, answer.status, answer.text]).toEqual([path, 200, '']);
    }
  });

  test('the front door leads to the page', async () => {
    const app = await createTestApp({ noWorker: true });
    const answer = await sendJson(app, 'GET', '/', { key: null });
    expect([answer.status, answer.headers.location]).toEqual([302, '/ui']);
  });
});
