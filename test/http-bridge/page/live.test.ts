// The live stream as its pages see it, on a store that has its bad moments.
import { Hono } from 'hono';
import { expect, onTestFinished, test } from 'vitest';
import type { PageEnv } from '../../../src/http-bridge/page/env.js';
import { createLive } from '../../../src/http-bridge/page/live.js';
import { createTask } from '../../../src/tools/index.js';
import { createTestApp } from '../../helpers/test-app.js';

async function liveHome() {
  const app = await createTestApp({ noWorker: true });
  const { store, log } = app.dispatcher;
  const before = { newestSeq: async () => {}, waiting: async () => {} };
  const live = createLive({
    log,
    store: {
      ...store,
      ledger: { ...store.ledger, newestSeq: () => before.newestSeq().then(() => store.ledger.newestSeq()) },
      tasks: { ...store.tasks, waiting: () => before.waiting().then(() => store.tasks.waiting()) },
    },
  });
  onTestFinished(() => live.close());
  const page = new Hono<PageEnv>().get('/live', (context) => live.stream(context));
  page.onError(() => new Response(null, { status: 503 }));
  const open = async () => page.request('/live');
  const create = (task_id: string) =>
    app.call(createTask, { task_type: 'hello', project_id: 'p', actor_id: 'me', task_id });
  return { before, open, create };
}

async function hears({ body }: Response, text: string): Promise<void> {
  let seen = '';
  for await (const bytes of body as ReadableStream<Uint8Array>) {
    seen += new TextDecoder().decode(bytes);
    if (seen.includes(text)) return;
  }
  throw new Error(`The stream ended without ${text}.`);
}

test('a store that was busy when the first page came is asked again by the next one', async () => {
  const { before, open, create } = await liveHome();
  before.newestSeq = async () => {
    before.newestSeq = async () => {};
    throw new Error('busy');
  };
  expect((await open()).status).toBe(503);
  const stream = await open();
  expect(stream.status).toBe(200);
  await create('after');
  await hears(stream, '"tasks":["after"]');
});

test('a page that comes while the last one leaves hears what changes', async () => {
  const { before, open, create } = await liveHome();
  const first = await open();
  before.waiting = async () => {
    await first.body?.cancel();
  };
  const second = await open();
  await create('later');
  await hears(second, '"tasks":["later"]');
});
