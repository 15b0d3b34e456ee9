import { createHmac } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config.js';
import type { Time } from '../../src/integrations/time.js';
import { createWebhook, type Webhook } from '../../src/integrations/webhook.js';
import { createTurn } from '../../src/integrations/webhook-turn.js';
import { acknowledge, cancelTask, createTask } from '../../src/tools/index.js';
import { createTestApp, createTestClock, helloHome, type TestApp, temporaryFolder } from '../helpers/test-app.js';
import { createTestTime, type Reply, type Sent, type Service, startService } from './service.js';

const secret = 'a webhook secret for tests';

interface Message {
  type: string;
  timestamp: string;
  text: string;
  data: Record<string, unknown> & { task_id: string; approve_url: string };
}

const messages = ({ sent }: Service): Message[] => sent.map((request) => request.json() as Message);
const types = (service: Service): string[] => messages(service).map(({ type }) => type);
const arrived = (service: Service, count: number) =>
  expect.poll(() => service.sent.length, { timeout: 20_000, interval: 20 }).toBe(count);

const idleHome = (home = temporaryFolder()): Promise<TestApp> =>
  createTestApp({ home, kind: 'command', start: false, files: helloHome });

const create = async (app: TestApp, projectId = 'demo'): Promise<string> => {
  const { task_id } = await app.call(createTask, { task_type: 'hello', project_id: projectId, actor_id: 'ada' });
  return task_id;
};

const cancel = (app: TestApp, taskId: string) => app.call(cancelTask, { task_id: taskId });

function webhookOver(app: TestApp, { url }: Service, time?: Time): Webhook {
  const { store, log, clock, approveUrl } = app.dispatcher;
  const webhook = createWebhook({ url, secret, store, log, clock, approveUrl, ...(time ? { time } : {}) });
  onTestFinished(() => webhook.stop());
  return webhook;
}

const ok = (): Reply => ({ status: 204 });

/** As a receiver checks it: over id, time and the very bytes that came. */
function signatureHolds({ headers, body }: Sent, key: Buffer | string): boolean {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body.toString('utf8')}`;
  return headers['webhook-signature'] === `v1,${createHmac('sha256', key).update(signed).digest('base64')}`;
}

describe('the webhook of a living server', () => {
  it('tells of a task that awaits its ack and of its end, signed, with the way to the page and without the payload', async () => {
    const service = await startService(ok);
    const app = await createTestApp({
      files: {
        ...helloHome,
        'directives/secretive.md': '---\nscript: hello.sh\nretry: { count: 0 }\n---\n# Secretive\n',
      },
      settings: { DOE_WEBHOOK_URL: service.url, DOE_WEBHOOK_SECRET: secret },
    });
    const { task_id } = await app.call(createTask, {
      task_type: 'secretive',
      project_id: 'demo',
      actor_id: 'ada',
      payload_json: { customer: 'Very Private Ltd' },
    });
    await arrived(service, 1);
    await app.call(acknowledge, { task_id, actor_id: 'ada' });
    await arrived(service, 2);
    expect(types(service)).toEqual(['task.awaiting_ack', 'task.succeeded']);
    const [first] = messages(service);
    expect(first?.data).toMatchObject({ task_id, task_type: 'secretive', project_id: 'demo', status: 'awaiting_ack' });
    expect(first?.data.approve_url).toMatch(new RegExp(`/ui/approvals/${task_id}$`));
    expect(first?.text).toContain(first?.data.approve_url);
    for (const request of service.sent) {
      expect(signatureHolds(request, secret)).toBe(true);
      expect(request.body.toString()).not.toContain('Very Private');
    }
    expect(new Set(service.sent.map(({ headers }) => headers['webhook-id'])).size).toBe(2);
  });
});

describe('a webhook', () => {
  it('begins with what happens after its first start, and goes on where the last one left off', async () => {
    const app = await idleHome();
    const before = await create(app);
    const service = await startService(ok);
    const first = webhookOver(app, service);
    await first.start();
    const task = await create(app);
    await arrived(service, 1);
    await first.stop();
    await cancel(app, task);
    await webhookOver(app, service).start();
    await arrived(service, 2);
    expect(messages(service).map(({ type, data }) => [type, data.task_id])).toEqual([
      ['task.awaiting_ack', task],
      ['task.cancelled', task],
    ]);
    expect(before).not.toBe(task);
  });

  it('tries again under the same id with growing pauses, and keeps the order', async () => {
    const app = await idleHome();
    const service = await startService(
      (_request, before) => [{ status: 500 }, { cut: true }, { status: 429 }][before] ?? ok(),
    );
    const time = createTestTime();
    await webhookOver(app, service, time).start();
    const task = await create(app);
    await cancel(app, task);
    await arrived(service, 5);
    expect(types(service)).toEqual([...Array(4).fill('task.awaiting_ack'), 'task.cancelled']);
    expect(new Set(service.sent.slice(0, 4).map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(time.pauses.slice(0, 5)).toEqual([1000, 5000, 10_000, 10_000, 10_000]);
    expect(service.sent.every((request) => signatureHolds(request, secret))).toBe(true);
  });

  it.each([
    ['at once after a refusal that stays', { status: 404 }, 1],
    ['after its last try', { status: 503 }, 6],
  ])('gives a message up %s, says so in the audit trail, and goes on', async (_when, reply, tries) => {
    const app = await idleHome();
    const service = await startService((_request, before) => (before < tries ? reply : ok()));
    await webhookOver(app, service, createTestTime()).start();
    const task = await create(app);
    await arrived(service, tries);
    await cancel(app, task);
    await arrived(service, tries + 1);
    expect(types(service).at(-1)).toBe('task.cancelled');
    const events = await app.dispatcher.store.ledger.events({ taskId: null, limit: 50 });
    expect(events.find(({ type }) => type === 'webhook_given_up')?.data).toEqual({
      task_id: task,
      type: 'task.awaiting_ack',
      reason: `answered ${reply.status}`,
    });
  });

  it('follows no redirect', async () => {
    const app = await idleHome();
    const elsewhere = await startService(ok);
    const service = await startService(() => ({ status: 307, headers: { location: elsewhere.url } }));
    await webhookOver(app, service, createTestTime()).start();
    await create(app);
    await expect
      .poll(
        async () => (await app.dispatcher.store.ledger.events({ taskId: null, limit: 50 })).map(({ type }) => type),
        { timeout: 20_000 },
      )
      .toContain('webhook_given_up');
    expect(elsewhere.sent).toEqual([]);
  });

  it('is told once for each event where several processes follow', async () => {
    const home = temporaryFolder();
    const apps = [await idleHome(home), await idleHome(home), await idleHome(home)];
    const service = await startService(async () => {
      await nextTurn();
      return ok();
    });
    const webhooks = apps.map((app) => webhookOver(app, service));
    for (const webhook of webhooks) await webhook.start();
    const tasks = await Promise.all(Array.from({ length: 12 }, (_, n) => create(apps[n % 3] as TestApp, `p${n}`)));
    await arrived(service, 12);
    for (const webhook of webhooks) await webhook.stop();
    expect(service.sent).toHaveLength(12);
    expect(
      messages(service)
        .map(({ data }) => data.task_id)
        .sort(),
    ).toEqual([...tasks].sort());
    expect(new Set(service.sent.map(({ headers }) => headers['webhook-id'])).size).toBe(12);
  });

  it('tells no old news after a time without it', async () => {
    const home = temporaryFolder();
    const clock = createTestClock();
    const app = await createTestApp({ home, kind: 'command', start: false, clock });
    const service = await startService(ok);
    const first = webhookOver(app, service);
    await first.start();
    await first.stop();
    const old = await create(app);
    clock.advance(25 * 60 * 60_000);
    await webhookOver(app, service).start();
    await cancel(app, old);
    await arrived(service, 1);
    expect(types(service)).toEqual(['task.cancelled']);
  });

  it('takes a secret in the form of Standard Webhooks by its bytes', async () => {
    const bytes = Buffer.from('twenty-four bytes of key');
    const service = await startService(ok);
    const app = await createTestApp({
      settings: { DOE_WEBHOOK_URL: service.url, DOE_WEBHOOK_SECRET: `whsec_${bytes.toString('base64')}` },
      noWorker: true,
    });
    await create(app);
    await arrived(service, 1);
    expect(signatureHolds(service.sent[0] as Sent, bytes)).toBe(true);
  });

  it('is refused at the start without a secret', () => {
    const home = temporaryFolder();
    expect(() => loadConfig(home, { DOE_WEBHOOK_URL: 'https://hooks.example/x' })).toThrow(
      expect.objectContaining({ code: 'config_invalid' }) as Error,
    );
  });
});

describe('the turn to send', () => {
  it('is one process’s until it gives it back', async () => {
    const { ledger } = (await idleHome()).dispatcher.store;
    const [one, other] = [createTurn(ledger, createTestTime()), createTurn(ledger, createTestTime())];
    expect(await one.take()).toBe(true);
    expect(await other.take()).toBe(false);
    expect(await one.keep()).toBe(true);
    await one.giveBack();
    expect(await one.keep()).toBe(false);
    expect(await other.take()).toBe(true);
    expect(await one.take()).toBe(false);
  });

  it('is taken over from a process that shows no life, and that one notices', async () => {
    const { ledger } = (await idleHome()).dispatcher.store;
    const time = createTestTime();
    const [dead, heir] = [createTurn(ledger, createTestTime()), createTurn(ledger, time)];
    await dead.take();
    expect(await heir.take()).toBe(false);
    await time.pause(29_000);
    await dead.keep();
    expect(await heir.take()).toBe(false);
    await time.pause(29_000);
    expect(await heir.take()).toBe(false);
    await time.pause(1000);
    expect(await heir.take()).toBe(true);
    expect(await dead.keep()).toBe(false);
  });

  it('goes to one of many that ask at once', async () => {
    const { ledger } = (await idleHome()).dispatcher.store;
    const turns = Array.from({ length: 10 }, () => createTurn(ledger, createTestTime()));
    const taken = await Promise.all(turns.map((turn) => turn.take()));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
});
