// The shipped directives that call a service: from the task to the service's own wire, trusted once, with small local services.
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createAirtable } from '../../../src/integrations/airtable.js';
import { createN8n } from '../../../src/integrations/n8n.js';
import { createNetlify } from '../../../src/integrations/netlify.js';
import { acknowledge, createTask } from '../../../src/tools/index.js';
import { createTestApp, type TestAppOptions, temporaryFolder, writeFiles } from '../../helpers/test-app.js';
import { logOf, trustAll } from '../../helpers/worker-home.js';
import { type Service, startService } from '../../integrations/service.js';
import { makeWithPython, shipped } from '../bridge.js';

const key = 'a-key-of-a-service-0123456789';

async function play(
  id: string,
  { files = {}, payload, integrations }: { files?: Record<string, string>; payload: object } & TestAppOptions,
) {
  const home = temporaryFolder('doe-home-');
  for (const folder of ['directives', 'execution'])
    cpSync(join(dirname(shipped), folder), join(home, folder), { recursive: true });
  writeFiles(home, files);
  const app = await createTestApp({ home, files: {}, ...(integrations === undefined ? {} : { integrations }) });
  const run = async (ends: Parameters<typeof app.until>[1]) => {
    const { task_id } = await app.call(createTask, {
      task_type: id,
      project_id: 'p1',
      actor_id: 'me',
      payload_json: payload as Record<string, unknown>,
    });
    await app.call(acknowledge, { task_id, actor_id: 'jo' });
    const task = await app.until(task_id, ends);
    return { task, log: await logOf(app, task_id) };
  };
  return { app, run };
}

const keysIn = ({ task, log }: { task: unknown; log: string[] }) => JSON.stringify([task, log]).includes(key);

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex');
const site = { id: 's1', name: 'client1', ssl_url: 'https://client1.example' };
const deploy = { id: 'd1', ssl_url: site.ssl_url, deploy_ssl_url: 'https://d1--client1.example' };

/** Netlify, which lacks exactly the file of this content. */
async function startNetlify(content: string) {
  const service = await startService(({ method, path }) => {
    if (method === 'PUT') return { json: { id: 'file' } };
    if (method === 'POST') return { json: { ...deploy, state: 'uploading', required: [sha1(content)] } };
    return { json: path.endsWith('/sites') ? [site] : { ...deploy, state: 'ready' } };
  });
  return { service, integration: createNetlify({ variables: { NETLIFY_AUTH_TOKEN: key }, baseUrl: service.url }) };
}

test('a project is deployed to Netlify by the digests of its files', async () => {
  const { service, integration } = await startNetlify('<h1>');
  const { app, run } = await play('deploy-project', {
    files: { 'sites/client1/index.html': '<h1>', 'sites/client1/.env': 'SECRET=1' },
    payload: { project_dir: 'sites/client1', site: 'client1' },
    integrations: [integration],
  });
  await trustAll(app);
  const done = await run('succeeded');
  expect(done.task.result).toMatchObject({ deploy_id: 'd1', url: site.ssl_url, state: 'ready', uploaded: 1, files: 1 });
  const [created, sent] = service.sent.filter(({ method }) => method !== 'GET');
  expect(created?.json()).toMatchObject({ files: { '/index.html': sha1('<h1>') }, draft: false });
  expect(sent?.body.toString()).toBe('<h1>');
  expect(service.sent.every(({ headers }) => headers.authorization === `Bearer ${key}`)).toBe(true);
  expect(done.log).toContainEqual(expect.stringMatching(/^system netlify deploy: ok/));
  expect(keysIn(done)).toBe(false);
});

test('an imported site is deployed where that is asked for; where Netlify refuses, it stays imported', async () => {
  const { service, integration } = await startNetlify('new');
  const { app, run } = await play('import-site', {
    payload: { zip: 'client1.zip', site_dir: 'sites/client1', deploy_to: 'client1', draft: true },
    integrations: [integration],
  });
  makeWithPython(
    "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('index.html', 'new')",
    join(app.home, 'client1.zip'),
  );
  const refused = await run('needs_anneal');
  expect(refused.log).toContainEqual(expect.stringMatching(/sites\/client1 was imported, .* doe trust import-site/));
  expect(readFileSync(join(app.home, 'sites/client1/index.html'), 'utf8')).toBe('new');
  expect(service.sent).toEqual([]);
  await trustAll(app);
  const { task, log } = await run('succeeded');
  expect(task.result).toEqual({
    site_dir: 'sites/client1',
    files: 1,
    bytes: 3,
    deploy: {
      deploy_id: 'd1',
      url: deploy.deploy_ssl_url,
      deploy_url: deploy.deploy_ssl_url,
      state: 'ready',
      uploaded: 1,
    },
  });
  expect(service.sent.find(({ method }) => method === 'POST')?.json()).toMatchObject({
    files: { '/index.html': sha1('new') },
    draft: true,
  });
  expect(keysIn({ task, log })).toBe(false);
});

test('without trust no service is called, and the log says what to do', async () => {
  const service = await startService(() => ({ json: [] }));
  const { run } = await play('deploy-project', {
    files: { 'site/index.html': '<h1>' },
    payload: { project_dir: 'site', site: 'client1' },
    integrations: [createNetlify({ variables: { NETLIFY_AUTH_TOKEN: key }, baseUrl: service.url })],
  });
  const { task, log } = await run('needs_anneal');
  expect(task.status).toBe('needs_anneal');
  expect(log.join('\n')).toContain('doe trust deploy-project');
  expect(service.sent).toEqual([]);
});

test('leads of a CSV file are upserted into Airtable, ten at a time', async () => {
  const service = await startService((request): { json: unknown } => {
    const { records } = request.json() as { records: object[] };
    const ids = records.map((_record, index) => `rec${index}`);
    return { json: { records: [], createdRecords: ids.slice(0, 1), updatedRecords: ids.slice(1) } };
  });
  const csv = ['e-mail,Age', ...Array.from({ length: 12 }, (_, index) => `${index}@x.example,${20 + index}`)].join(
    '\n',
  );
  const variables = { AIRTABLE_API_KEY: key, AIRTABLE_BASE_ID: 'appTest' };
  const { app, run } = await play('sync-leads-airtable', {
    files: { 'leads.csv': csv },
    payload: { csv: 'leads.csv', table: 'Leads', fields_to_merge_on: ['Email'], columns: { 'e-mail': 'Email' } },
    integrations: [createAirtable({ variables, baseUrl: service.url })],
  });
  await trustAll(app);
  const done = await run('succeeded');
  expect(done.task.result).toEqual({ table: 'Leads', rows: 12, created: 2, updated: 10 });
  expect(service.sent.map(({ path }) => path)).toEqual(['/v0/appTest/Leads', '/v0/appTest/Leads']);
  const [first, second] = service.sent.map((request) => request.json() as { records: object[] });
  expect(first).toMatchObject({ performUpsert: { fieldsToMergeOn: ['Email'] }, typecast: true });
  expect([first?.records.length, second?.records.length]).toEqual([10, 2]);
  expect(second?.records[1]).toEqual({ fields: { Email: '11@x.example', Age: '31' } });
  expect(keysIn(done)).toBe(false);
});

test('a workflow is triggered in n8n, and its answer is the result', async () => {
  const service: Service = await startService(() => ({ json: { started: true } }));
  const { app, run } = await play('trigger-workflow', {
    payload: { data: { client: 'client1' }, path: 'lead/new' },
    integrations: [createN8n({ variables: { N8N_WEBHOOK_URL: `${service.url}/webhook/${key}` } })],
  });
  await trustAll(app);
  const done = await run('succeeded');
  expect(done.task.result).toEqual({ status: 200, body: { started: true } });
  expect(service.sent).toHaveLength(1);
  expect(service.sent[0]).toMatchObject({ method: 'POST', path: `/webhook/${key}/lead/new` });
  expect(service.sent[0]?.json()).toEqual({ client: 'client1' });
  expect(service.sent[0]?.headers['idempotency-key']).toMatch(/^doe-/);
  expect(keysIn(done)).toBe(false);
});
