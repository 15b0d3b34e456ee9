import { describe, expect, test } from 'vitest';
import {
  acknowledge,
  annealComplete,
  cancelTask,
  createTask,
  dismissAnneal,
  listTrust,
  recordFailure,
  retryTask,
  trustItems,
} from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { callers, createTestApp, helloHome, operatorKey, type TestApp } from '../helpers/test-app.js';

const files = {
  ...helloHome,
  'directives/strict.md':
    '---\nretry: { count: 0 }\npayload: { type: object, required: [n], properties: { n: { type: integer } } }\n---\n# Strict\n',
  'execution/strict.sh': 'exit 1\n',
  'directives/hold.md': '---\nretry: { count: 0 }\n---\n# Hold\n',
  'execution/hold.sh': 'echo begun\nsleep 600\n',
  'directives/auto.md': '---\nrequire_ack: false\nretry: { count: 0 }\n---\n# Auto\n',
  'execution/auto.sh': 'test -f mended\n',
};

const create = async (app: TestApp, task_type = 'hello', payload_json: Record<string, unknown> = {}): Promise<string> =>
  (await app.call(createTask, { task_type, project_id: 'p', actor_id: 'me', payload_json })).task_id;

const approve = (app: TestApp, task_id: string) => app.call(acknowledge, { task_id, actor_id: 'me' });

const seen = { error_type: 'http_502', classification: 'infrastructure' } as const;

const stateOf = async (app: TestApp, id: string) => (await app.dispatcher.store.tasks.get(id))?.status;

describe('a failure seen outside a run', () => {
  test('is taken where nothing runs, and refused where a run or a repair has the task', async () => {
    const app = await createTestApp({ files });
    const waiting = await create(app);
    const done = await create(app);
    await approve(app, done);
    await app.until(done, 'succeeded');
    for (const task_id of [waiting, done])
      expect((await app.call(recordFailure, { task_id, ...seen })).status).toBe('needs_anneal');
    const cancelled = await create(app);
    await app.call(cancelTask, { task_id: cancelled });
    const running = await create(app, 'hold');
    await approve(app, running);
    await app.until(running, 'running');
    for (const task_id of [waiting, cancelled, running]) {
      const before = await stateOf(app, task_id);
      expect(await refusalOf(() => app.call(recordFailure, { task_id, ...seen }))).toMatchObject({
        code: 'wrong_state',
      });
      expect(await stateOf(app, task_id)).toBe(before);
    }
    await app.call(dismissAnneal, { task_id: done });
    expect((await app.call(recordFailure, { task_id: done, ...seen })).status).toBe('needs_anneal');
  });

  test('keeps the end of an output that is long, says how much was cut, and shows no half of a secret', async () => {
    const app = await createTestApp({ files, noWorker: true });
    const task_id = await create(app);
    const secret = operatorKey.slice(operatorKey.indexOf(':') + 1);
    const stdout = `${'x'.repeat(100_000)}${secret}\n${'y'.repeat(65_536 - 40)}`;
    const stderr = `x😀${'z'.repeat(65_535)}`;
    await app.call(recordFailure, { task_id, ...seen, stdout, stderr }, callers.agent);
    const lines = (await app.dispatcher.store.logs.tail(task_id, 10)).map(({ stream, text }) => [stream, text]);
    expect(lines).toEqual([
      ['system', expect.stringMatching(/^The first \d+ characters of stdout were cut off\.$/)],
      ['stdout', expect.stringMatching(/^x+\[redacted\]$/)],
      ['stdout', 'y'.repeat(65_536 - 40)],
      ['system', 'The first 3 characters of stderr were cut off.'],
      ['stderr', 'z'.repeat(65_535)],
    ]);
    expect(JSON.stringify(lines)).not.toContain(secret.slice(-8));
    const long = { task_id, ...seen, error_type: 'x'.repeat(129) };
    expect(await refusalOf(() => app.call(recordFailure, long))).toMatchObject({ code: 'invalid_input' });
  });

  test('revokes the ack that was given, keeps what was said by stream, and shows no secret', async () => {
    const app = await createTestApp({ files, noWorker: true });
    const task_id = await create(app);
    await approve(app, task_id);
    const secret = operatorKey.slice(operatorKey.indexOf(':') + 1);
    await app.call(recordFailure, { task_id, ...seen, stdout: 'all\nwell', stderr: `with ${secret}` }, callers.agent);
    const [ack] = await app.dispatcher.store.people.acks(task_id);
    expect(ack?.revokedAt).not.toBeNull();
    const lines = await app.dispatcher.store.logs.tail(task_id, 10);
    expect(lines.map(({ stream, text }) => [stream, text])).toEqual([
      ['stdout', 'all'],
      ['stdout', 'well'],
      ['stderr', 'with [redacted]'],
    ]);
    const failure = await app.dispatcher.store.ledger.lastFailure(task_id);
    expect([failure?.errorType, failure?.classification, failure?.errorTail]).toEqual([
      'http_502',
      'infrastructure',
      'with [redacted]',
    ]);
  });
});

describe('completing a repair', () => {
  test('a payload that does not fit is refused and leaves the task in repair', async () => {
    const app = await createTestApp({ files, noWorker: true });
    const task_id = await create(app, 'strict', { n: 1 });
    await app.call(recordFailure, { task_id, ...seen });
    const wrong = () => app.call(annealComplete, { task_id, payload_json: { n: 'one' } });
    expect(await refusalOf(wrong)).toMatchObject({ code: 'invalid_payload' });
    expect(await stateOf(app, task_id)).toBe('needs_anneal');
    const mended = await app.call(annealComplete, { task_id, payload_json: '{"n":2}' });
    expect(mended.status).toBe('awaiting_ack');
    expect((await app.dispatcher.store.tasks.get(task_id))?.payloadJson).toBe('{"n":2}');
  });

  test('begins attempts anew, pins what is there now, and the old ack covers nothing of it', async () => {
    const app = await createTestApp({ files });
    const task_id = await create(app, 'strict', { n: 1 });
    const old = await approve(app, task_id);
    await app.until(task_id, 'needs_anneal');
    app.write({ 'execution/strict.sh': 'true\n' });
    const { binding } = await app.call(annealComplete, { task_id });
    const task = await app.dispatcher.store.tasks.get(task_id);
    expect([task?.attempts, task?.ackId, task?.pins.binding]).toEqual([0, null, binding]);
    const ack = await app.dispatcher.store.people.ack(old.ack_id ?? '');
    expect(ack?.pins.binding).not.toBe(binding);
    expect(ack?.revokedAt ?? ack?.spentAt).not.toBeNull();
    await approve(app, task_id);
    await app.until(task_id, 'succeeded');
  });

  test('without an ack where neither revision wants one, trusted as it is now', async () => {
    const app = await createTestApp({ files });
    const trustAll = async () => {
      const { items } = await app.call(listTrust, {});
      const wanted = items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
      await app.call(trustItems, { items: wanted });
    };
    await trustAll();
    const task_id = await create(app, 'auto');
    await app.until(task_id, 'needs_anneal');
    app.write({ mended: '' });
    const again = await app.call(annealComplete, { task_id, note: 'The file is there now.' });
    expect(again.status).toBe('queued');
    await app.until(task_id, 'succeeded');
    const other = await create(app, 'auto');
    await app.until(other, 'succeeded');
    await app.call(recordFailure, { task_id: other, ...seen });
    app.write({ 'execution/auto.sh': 'true # not trusted\n' });
    expect((await app.call(annealComplete, { task_id: other })).status).toBe('awaiting_ack');
  });

  test('after an interrupted run neither a change nor a note is asked for', async () => {
    const first = await createTestApp({ files });
    const task_id = await create(first, 'hold');
    await approve(first, task_id);
    await first.until(task_id, 'running');
    await first.stop({ graceMs: 0 });
    const app = await createTestApp({ home: first.home, files: {}, noWorker: true });
    expect(await stateOf(app, task_id)).toBe('needs_anneal');
    expect((await app.dispatcher.store.ledger.lastFailure(task_id))?.outcome).toBe('interrupted');
    expect((await app.call(annealComplete, { task_id })).status).toBe('awaiting_ack');
  });
});

test('a retry pins what is there now and wants a fresh ack', async () => {
  const app = await createTestApp({ files, noWorker: true });
  const task_id = await create(app);
  await approve(app, task_id);
  await app.call(cancelTask, { task_id, reason: 'Later.' });
  expect((await app.dispatcher.store.tasks.get(task_id))?.statusReason).toBe('Later.');
  app.write({ 'directives/hello.md': '---\nversion: 7\n---\n# Hello again\n' });
  expect((await app.call(retryTask, { task_id })).status).toBe('awaiting_ack');
  const task = await app.dispatcher.store.tasks.get(task_id);
  expect([task?.pins.directiveVersion, task?.ackId, task?.statusReason]).toEqual([7, null, null]);
  app.write({ 'directives/hello.md': '---\nnonsense: 1\n---\n' });
  await app.call(cancelTask, { task_id });
  expect(await refusalOf(() => app.call(retryTask, { task_id }))).toMatchObject({ code: 'directive_broken' });
  expect(await stateOf(app, task_id)).toBe('cancelled');
});
