// What comes in is parsed once and strictly; what is refused is refused by name.
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../src/log.js';
import { operator, type RawAnswer, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp } from '../helpers/test-app.js';

const hello = { task_type: 'hello', project_id: 'p1', actor_id: 'me' };
const kib = 1024;

const post = (
  app: TestApp,
  body: string | Uint8Array,
  type = 'application/json',
  path = '/tasks',
): Promise<RawAnswer> =>
  send(app, {
    method: 'POST',
    path,
    headers: { 'X-API-Key': operator, ...(type === '' ? {} : { 'Content-Type': type }) },
    body,
  });

const refused = ({ status, json }: RawAnswer) => [status, json().code];

/** The status that a client reads who writes all first; it fails as that client would where the connection breaks. */
async function statusAfterSending(
  app: TestApp,
  path: string,
  { bytes, headers }: { bytes: number; headers: Record<string, string> },
): Promise<number> {
  const { hostname, port } = new URL(app.address ?? '');
  const body = Buffer.alloc(bytes, ' ');
  const chunked = 'Transfer-Encoding' in headers;
  const all = { Host: `${hostname}:${port}`, 'Content-Type': 'application/json', Connection: 'close', ...headers };
  const lines = Object.entries(chunked ? all : { ...all, 'Content-Length': String(bytes) });
  const socket = connect(Number(port), hostname);
  const broken = once(socket, 'error').then(([error]) => Promise.reject(error as Error));
  const sent = (data: string | Buffer) => new Promise<void>((resolve) => socket.write(data, () => resolve()));
  const exchange = async () => {
    await sent(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
    if (chunked) await sent(`${bytes.toString(16)}\r\n`);
    await sent(body);
    if (chunked) await sent('\r\n0\r\n\r\n');
    const [first] = (await once(socket, 'data')) as [Buffer];
    return Number(first.toString().split(' ')[1]);
  };
  try {
    return await Promise.race([exchange(), broken]);
  } finally {
    broken.catch(() => {});
    socket.destroy();
  }
}

describe('bodies', () => {
  test('a key given twice is refused wherever it stands, and named', async () => {
    const app = await createTestApp({ noWorker: true });
    const whole = JSON.stringify(hello).slice(1, -1);
    for (const [body, named] of [
      [`{${whole},"actor_id":"other"}`, 'actor_id'],
      [`{${whole},"payload_json":{"a":{"b":1,"b":1}}}`, '"b" twice at /payload_json/a'],
      [`{${whole},"payload_json":{"a":[{"\\u0062":1,"b":2}]}}`, '"b" twice'],
      [`{${whole},"payload_json":{"__proto__":{"admin":true}}}`, '__proto__'],
    ] as const) {
      const answer = await post(app, body);
      expect(refused(answer)).toEqual([400, 'invalid_input']);
      expect(answer.json().error).toContain(named);
    }
  });

  test('unknown fields are refused by name on every route that takes a body', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const path of [
      '/tasks',
      '/mcp/acknowledge',
      '/tasks/x/failure',
      '/tasks/x/anneal-complete',
      '/tasks/x/cancel',
      '/tasks/x/retry',
      '/tasks/x/anneal-dismiss',
      '/run',
      '/trust',
      '/pause',
      '/resume',
      '/ui-codes',
    ]) {
      for (const name of ['surprise', 'constructor', 'toString']) {
        const answer = await post(app, JSON.stringify({ [name]: 1 }), 'application/json', path);
        expect([path, ...refused(answer)]).toEqual([path, 400, 'invalid_input']);
        expect(answer.json().error).toContain(`"${name}"`);
        expect(answer.json().hint).toMatch(/takes/);
      }
    }
  });

  test('an integer that would reach the script as another one is refused by its path, in the body and in a text', async () => {
    const app = await createTestApp({ noWorker: true });
    const whole = JSON.stringify(hello).slice(1, -1);
    const payload = '{"n":9007199254740993}';
    for (const [given, path] of [
      [payload, 'The body has an integer that would be passed on as 9007199254740992 at /payload_json/n.'],
      [JSON.stringify(payload), 'payload_json has an integer that would be passed on as 9007199254740992 at /n.'],
    ]) {
      const answer = await post(app, `{${whole},"payload_json":${given}}`);
      expect([...refused(answer), answer.json().error]).toEqual([400, 'invalid_input', path]);
    }
  });

  test('what is no JSON object is refused', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const body of [
      '[]',
      'null',
      '"text"',
      '1',
      '{',
      '{"a":1,}',
      "{'a':1}",
      '{"a":NaN}',
      '{"a":1}{"b":2}',
      '// no\n{}',
      '\u0000',
      '{"a":\u00011}',
    ])
      expect([body, ...refused(await post(app, body))]).toEqual([body, 400, 'invalid_input']);
  });

  test('an empty body is an empty object', async () => {
    const app = await createTestApp({ noWorker: true });
    expect((await post(app, '', '', '/pause')).json()).toMatchObject({ ok: true, paused: true });
    expect((await post(app, ' \n', 'text/plain', '/resume')).json()).toMatchObject({ ok: true, paused: false });
    expect(refused(await post(app, ''))).toEqual([400, 'invalid_input']);
  });

  test('only JSON types are taken', async () => {
    const app = await createTestApp({ noWorker: true });
    const body = JSON.stringify({ ...hello, task_id: 'same' });
    for (const type of [
      'application/json',
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'application/problem+json',
    ])
      expect([type, (await post(app, body, type)).json().ok]).toEqual([type, true]);
    for (const type of [
      '',
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/jsonp',
      'text/json',
      'application/json-seq',
    ])
      expect([type, ...refused(await post(app, body, type))]).toEqual([type, 400, 'invalid_input']);
  });

  test('what is not UTF-8, or compressed, is refused', async () => {
    const app = await createTestApp({ noWorker: true });
    expect(refused(await post(app, Buffer.from(JSON.stringify(hello), 'utf16le')))).toEqual([400, 'invalid_input']);
    expect(refused(await post(app, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d])))).toEqual([
      400,
      'invalid_input',
    ]);
    expect(refused(await post(app, Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0])))).toEqual([400, 'invalid_input']);
  });

  test('512 KiB are read and more are not, with and without a stated length', async () => {
    const app = await createTestApp({ noWorker: true });
    const padded = (bytes: number) => JSON.stringify(hello).padEnd(bytes, ' ');
    expect((await post(app, padded(512 * kib))).status).toBe(201);
    expect(refused(await post(app, padded(512 * kib + 1)))).toEqual([413, 'too_large']);
    const chunked = await send(app, {
      method: 'POST',
      path: '/tasks',
      headers: { 'X-API-Key': operator, 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
      body: padded(600 * kib),
    });
    expect(refused(chunked)).toEqual([413, 'too_large']);
    const mcp = await post(app, padded(600 * kib), 'application/json', '/mcp');
    expect(refused(mcp)).toEqual([413, 'too_large']);
  });

  test.each([
    ['413 of a body with its length', 413, 600 * kib, { 'X-API-Key': operator }, '/tasks'],
    ['413 of a body of 5 MiB', 413, 5 * kib * kib, { 'X-API-Key': operator }, '/tasks'],
    [
      '413 of a body in chunks',
      413,
      5 * kib * kib,
      { 'X-API-Key': operator, 'Transfer-Encoding': 'chunked' },
      '/tasks',
    ],
    ['413 of an MCP call', 413, 5 * kib * kib, { 'X-API-Key': operator }, '/mcp'],
    ['401', 401, 5 * kib * kib, {}, '/tasks'],
    ['403 of a wrong Host', 403, 5 * kib * kib, { Host: 'evil.example' }, '/tasks'],
    ['404', 404, 5 * kib * kib, {}, '/nothing'],
  ] as const)(
    'a client that reads only when all is sent, and wants the connection closed, gets the %s',
    async (...given) => {
      const [, status, bytes, headers, path] = given;
      const app = await createTestApp({ noWorker: true });
      expect(await statusAfterSending(app, path, { bytes, headers })).toBe(status);
    },
  );

  test('a client that never sends the body that it announced is answered all the same', async () => {
    const app = await createTestApp({ noWorker: true });
    const { hostname, port } = new URL(app.address ?? '');
    const socket = connect(Number(port), hostname);
    socket.write(`POST /tasks HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Length: 600000\r\n\r\n`);
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(first.toString()).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('JSON nested without end is refused, in the body and in a text within it', async () => {
    const app = await createTestApp({ noWorker: true });
    const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    for (const levels of [101, 5_000, 200_000]) {
      expect(refused(await post(app, `{"task_type":${deep(levels)}}`))).toEqual([400, 'invalid_input']);
      expect(refused(await post(app, `{"a":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}`))).toEqual(
        levels > 100_000 ? [413, 'too_large'] : [400, 'invalid_input'],
      );
    }
    const text = JSON.stringify({ ...hello, payload_json: `{"a":${deep(20_000)}}` });
    expect(refused(await post(app, text))).toEqual([400, 'invalid_input']);
  });

  test('a body that breaks off leaves nothing behind, is no fault of ours, and the bridge goes on', async () => {
    const faults: string[] = [];
    const log = { ...silentLog, error: (event: string) => void faults.push(event) };
    const app = await createTestApp({ noWorker: true, log });
    const { port, host } = new URL(app.address ?? '');
    const head = `POST /tasks HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${operator}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"task_type":`;
    await new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(head, () => socket.destroy()));
      socket.on('close', () => resolve());
      socket.on('error', reject);
    });
    expect((await sendJson(app, 'GET', '/tasks')).json().tasks).toEqual([]);
    await app.stop();
    expect(faults).toEqual([]);
  });
});

describe('queries', () => {
  test('a parameter given twice is refused by name, on every route that reads one', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const path of [
      '/tasks?limit=1&limit=2',
      '/tasks/x/status?after=1&after=1',
      '/anneals?status=open&status=open',
      '/mcp/validate-ack?ack_token=a&ack_token=a',
    ]) {
      const answer = await sendJson(app, 'GET', path);
      expect([path, ...refused(answer)]).toEqual([path, 400, 'invalid_input']);
      expect(answer.json().error).toContain('more than once');
    }
  });

  test('an unknown parameter is refused by name', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const name of ['surprise', '__proto__', 'constructor', 'limit[]', 'task_id.x', '%00']) {
      const answer = await sendJson(app, 'GET', `/tasks?${name}=1`);
      expect([name, ...refused(answer)]).toEqual([name, 400, 'invalid_input']);
    }
    expect(refused(await sendJson(app, 'GET', '/directives?all=1'))).toEqual([400, 'invalid_input']);
  });

  test('a name in the path that differs in query or body is refused', async () => {
    const app = await createTestApp({ noWorker: true });
    const inQuery = await sendJson(app, 'GET', '/tasks/one/status?task_id=two');
    const inBody = await sendJson(app, 'POST', '/tasks/one/cancel', { json: { task_id: 'two' } });
    for (const answer of [inQuery, inBody]) {
      expect(refused(answer)).toEqual([400, 'invalid_input']);
      expect(answer.json().error).toContain('task_id');
    }
  });
});

test('what is no HTTP, or too large to be a head, is refused in the same form', async () => {
  const app = await createTestApp({ noWorker: true });
  const { port, host } = new URL(app.address ?? '');
  const say = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(text));
      socket.setEncoding('utf8').on('data', (chunk) => (answer += chunk));
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  for (const [text, status, code] of [
    ['nonsense\r\n\r\n', 400, 'invalid_input'],
    [`GET /tasks HTTP/1.1\r\nHost: ${host}\r\nX: a\u0000b\r\n\r\n`, 400, 'invalid_input'],
    [
      `POST /tasks HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'invalid_input',
    ],
    [`GET /tasks?cursor=${'x'.repeat(20_000)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 431, 'too_large'],
    ['GET /health HTTP/1.1\r\nConnection: close\r\n\r\n', 400, null],
    [
      `GET http://evil.example/health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`,
      403,
      'host_not_allowed',
    ],
    ['GET /health HTTP/1.0\r\n\r\n', 400, null],
  ] as const) {
    const [head = '', body = ''] = (await say(text)).split('\r\n\r\n');
    expect([text.slice(0, 40), head.split(' ')[1]]).toEqual([text.slice(0, 40), String(status)]);
    if (code !== null)
      expect(JSON.parse(body.slice(body.indexOf('{'), body.lastIndexOf('}') + 1))).toMatchObject({
        ok: false,
        code,
        hint: expect.any(String),
      });
  }
});

test('a HEAD that is too large is refused by a head alone, as a client expects', async () => {
  const app = await createTestApp({ noWorker: true });
  const answer = await send(app, { method: 'HEAD', path: `/tasks?cursor=${'x'.repeat(20_000)}` });
  expect([answer.status, answer.text]).toEqual([431, '']);
  expect(Number(answer.headers['content-length'])).toBeGreaterThan(0);
});

test('no refusal carries a stack or a path of this machine', async () => {
  const app = await createTestApp({ noWorker: true });
  for (const answer of [
    await post(app, '{'),
    await post(app, '{"task_type":"\\ud800"}'),
    await sendJson(app, 'GET', '/tasks/..%2f..%2f/status'),
  ]) {
    expect(
      Object.keys(answer.json()).filter((name) => !['ok', 'code', 'error', 'hint', 'details'].includes(name)),
    ).toEqual([]);
    expect(answer.text).not.toMatch(/node_modules|\.[jt]s:\d|at \w+ \(/);
    expect(answer.text).not.toContain(app.home);
  }
});
