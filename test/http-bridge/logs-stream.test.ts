// A task's log as it happens (server-sent events), read as a browser reads it.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { describe, expect, test } from 'vitest';
import { operator, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp } from '../helpers/test-app.js';

const files = {
  'directives/steps.md': '---\nretry: { count: 0 }\n---\n# Steps\n',
  'execution/steps.sh': 'echo one\necho "::progress:: 50 half way"\necho two >&2\necho three\n',
};

async function newTask(app: TestApp): Promise<string> {
  const json = { task_type: 'steps', project_id: 'p', actor_id: 'me' };
  return String((await sendJson(app, 'POST', '/tasks', { json })).json().task_id);
}

const approve = (app: TestApp, task_id: string) =>
  sendJson(app, 'POST', '/mcp/acknowledge', { json: { task_id, actor_id: 'me' } });

const open = (
  app: TestApp,
  path: string,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> =>
  fetch(`${app.address}${path}`, {
    headers: { Accept: 'text/event-stream', 'X-API-Key': operator, ...headers },
    ...(signal === undefined ? {} : { signal }),
  });

/** The events of a stream, to its end. */
async function* eventsOf(response: Response): AsyncGenerator<EventSourceMessage> {
  const found: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (event) => found.push(event) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* found.splice(0);
  }
}

async function all(response: Response): Promise<EventSourceMessage[]> {
  const found: EventSourceMessage[] = [];
  for await (const event of eventsOf(response)) found.push(event);
  return found;
}

const texts = (events: EventSourceMessage[]) =>
  events.filter(({ event }) => event === 'log').map(({ data }) => JSON.parse(data).text as string);

describe('the stream', () => {
  test('follows a task from its waiting to its end', async () => {
    const app = await createTestApp({ files });
    const id = await newTask(app);
    const response = await open(app, `/tasks/${id}/logs`);
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const seen: EventSourceMessage[] = [];
    for await (const event of eventsOf(response)) {
      seen.push(event);
      if (event.event === 'status' && JSON.parse(event.data).status === 'awaiting_ack') await approve(app, id);
    }
    const statuses = seen.filter(({ event }) => event === 'status').map(({ data }) => JSON.parse(data).status);
    expect([statuses[0], statuses.at(-1)]).toEqual(['awaiting_ack', 'succeeded']);
    expect(texts(seen)).toEqual(expect.arrayContaining(['one', 'two', 'three']));
    expect(seen.filter(({ event }) => event === 'progress').map(({ data }) => JSON.parse(data))).toContainEqual({
      progress: 50,
      progress_text: 'half way',
    });
    expect(seen.at(-1)?.event).toBe('end');
    expect(JSON.parse(seen.at(-1)?.data ?? '')).toMatchObject({ task_id: id, status: 'succeeded' });
    const ids = seen.filter(({ event }) => event === 'log').map((event) => Number(event.id));
    expect(ids).toEqual([...ids].sort((one, other) => one - other));
  });

  test('goes on after the last line that was seen, by Last-Event-ID or after', async () => {
    const app = await createTestApp({ files });
    const id = await newTask(app);
    await approve(app, id);
    await app.until(id, 'succeeded');
    const whole = await all(await open(app, `/tasks/${id}/logs`));
    const lines = whole.filter(({ event }) => event === 'log');
    const second = String(lines[1]?.id);
    const rest = texts(whole).slice(2);
    expect(texts(await all(await open(app, `/tasks/${id}/logs`, { 'Last-Event-ID': second })))).toEqual(rest);
    expect(texts(await all(await open(app, `/tasks/${id}/logs?after=${second}`)))).toEqual(rest);
    // A browser that reconnects sends both; its own place counts.
    expect(texts(await all(await open(app, `/tasks/${id}/logs?after=0`, { 'Last-Event-ID': second })))).toEqual(rest);
    expect(texts(await all(await open(app, `/tasks/${id}/logs`, { 'Last-Event-ID': 'nonsense' })))).toEqual(
      texts(whole),
    );
  });

  test('is refused as the JSON route is: fields by name, a task that is not there, no key', async () => {
    const app = await createTestApp({ files, noWorker: true });
    const id = await newTask(app);
    for (const [path, status, code] of [
      [`/tasks/${id}/logs?after=x`, 400, 'invalid_input'],
      [`/tasks/${id}/logs?after=-1`, 400, 'invalid_input'],
      [`/tasks/${id}/logs?surprise=1`, 400, 'invalid_input'],
      [`/tasks/${id}/logs?limit=5`, 400, 'invalid_input'],
      ['/tasks/a%2Fb/logs', 400, 'invalid_input'],
      ['/tasks/none/logs', 404, 'task_not_found'],
    ] as const) {
      const answer = await open(app, path);
      expect([path, answer.status, ((await answer.json()) as { code: string }).code]).toEqual([path, status, code]);
    }
    expect((await open(app, `/tasks/${id}/logs`, { 'X-API-Key': 'wrong' })).status).toBe(401);
  });

  test('a reader that goes away is forgotten, and a stop ends those that stay as a whole answer ends', async () => {
    const app = await createTestApp({ files, noWorker: true });
    const id = await newTask(app);
    const leaving = new AbortController();
    const first = eventsOf(await open(app, `/tasks/${id}/logs`, {}, leaving.signal));
    expect((await first.next()).value?.event).toBe('status');
    leaving.abort();
    await expect(first.next()).rejects.toThrow();
    const staying = eventsOf(await open(app, `/tasks/${id}/logs`));
    expect((await staying.next()).value?.event).toBe('status');
    const last = staying.next();
    await app.stop();
    expect((await last).done).toBe(true);
  });

  test('without that Accept it is JSON, with pages', async () => {
    const app = await createTestApp({ files });
    const id = await newTask(app);
    await approve(app, id);
    await app.until(id, 'succeeded');
    const { logs, next_after } = (await sendJson(app, 'GET', `/tasks/${id}/logs?limit=2`)).json() as {
      logs: { id: number }[];
      next_after: number;
    };
    expect([logs.length, next_after]).toEqual([2, logs[1]?.id]);
    const rest = (await sendJson(app, 'GET', `/tasks/${id}/logs?after=${next_after}`)).json();
    expect(rest.next_after).toBeNull();
  });
});
