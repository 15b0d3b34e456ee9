import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { createNetlify } from '../../src/integrations/netlify.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { described, operationOf } from './netlify-description.js';
import { contextOf, createTestTime, type Reply, type Sent, startService } from './service.js';

const token = 'netlify-token-for-tests';
const id = '0d3a9d2f-ef94-4380-93df-27ee400e2048';
const site = { id, name: 'acme', ssl_url: 'https://acme.netlify.app', url: 'http://acme.netlify.app' };
const sha1 = (text: string | Uint8Array): string => createHash('sha1').update(text).digest('hex');

interface Netlify {
  /** What the created deploy asks for; default everything. */
  required?: (files: Record<string, string>) => string[];
  /** The states that the deploy goes through when it is asked for, the last one for good. */
  states?: string[];
  created?: string;
  intercept?: (operation: string, request: Sent) => Reply | undefined | Promise<Reply | undefined>;
}

async function netlify({
  required = Object.values,
  states = ['ready'],
  created = 'uploading',
  intercept,
}: Netlify = {}) {
  const operations: string[] = [];
  const deploy = { ...site, id: 'deploy1', deploy_ssl_url: 'https://deploy1--acme.netlify.app' };
  const service = await startService(async (request) => {
    const operation = operationOf(request);
    operations.push(operation);
    const other = await intercept?.(operation, request);
    if (other !== undefined) return other;
    const asked = operations.filter((one) => one === 'getDeploy').length;
    const replies: Record<string, () => Reply> = {
      listSites: () => ({ json: [{ ...site, id: 'x', name: 'acme-old' }, site] }),
      getSite: () => ({ json: site }),
      getCurrentUser: () => ({ json: { id: 'user' } }),
      createSiteDeploy: () => {
        const { files } = request.json() as { files: Record<string, string> };
        return { json: { ...deploy, state: created, required: required(files) } };
      },
      uploadDeployFile: () => ({ json: { id: 'file' } }),
      getDeploy: () => ({ json: { ...deploy, state: states[Math.min(asked, states.length) - 1], required: [] } }),
    };
    return described(request, replies[operation]?.() ?? { status: 500, json: { message: operation } });
  });
  const time = createTestTime();
  const integration = createNetlify({
    variables: { NETLIFY_AUTH_TOKEN: token },
    baseUrl: `${service.url}/api/v1`,
    time,
  });
  const integrations = createIntegrations([integration]);
  const home = temporaryFolder();
  const call = (action: string, input: JsonObject) => integrations.call('netlify', action, input, contextOf(home));
  return { ...service, operations, integration, home, call, time };
}

const uploads = (sent: Sent[]) => sent.filter(({ method }) => method === 'PUT');
const filesSent = (sent: Sent[]) =>
  (sent.find(({ method }) => method === 'POST')?.json() as { files: Record<string, string> } | undefined)?.files ?? {};

describe('a deploy to Netlify', () => {
  it('names every file by its digest and sends only what Netlify asks for', async () => {
    const { home, call, sent, operations } = await netlify({
      required: () => [sha1('<h1>'), sha1('<h1>')],
      states: ['processing', 'ready'],
    });
    writeFiles(home, { 'site/index.html': '<h1>', 'site/same.html': '<h1>', 'site/a b/ü.css': 'body{}' });
    const result = await call('deploy', { site: 'acme', dir: 'site', message: 'From a task' });
    expect(result).toEqual({
      deploy_id: 'deploy1',
      url: 'https://acme.netlify.app',
      deploy_url: 'https://deploy1--acme.netlify.app',
      state: 'ready',
      uploaded: 1,
    });
    expect(operations).toEqual(['listSites', 'createSiteDeploy', 'uploadDeployFile', 'getDeploy', 'getDeploy']);
    expect(filesSent(sent)).toEqual({
      '/index.html': sha1('<h1>'),
      '/same.html': sha1('<h1>'),
      '/a b/ü.css': sha1('body{}'),
    });
    const create = sent[1];
    expect(create).toMatchObject({ path: `/api/v1/sites/${id}/deploys`, query: { title: 'From a task' } });
    expect(create?.json()).toMatchObject({ draft: false, async: false });
    expect(uploads(sent)[0]?.headers['content-type']).toBe('application/octet-stream');
  });

  it('sends files under their encoded paths, with their content', async () => {
    const { home, call, sent } = await netlify();
    writeFiles(home, { 'site/a b/ü.css': 'body{}', 'site/100%.html': 'x' });
    await call('deploy', { site: id, dir: 'site' });
    const bodies = Object.fromEntries(uploads(sent).map(({ path, body }) => [path, body.toString()]));
    expect(bodies).toEqual({
      '/api/v1/deploys/deploy1/files/a%20b/%C3%BC.css': 'body{}',
      '/api/v1/deploys/deploy1/files/100%25.html': 'x',
    });
    expect(sent[0]?.path).toBe(`/api/v1/sites/${id}`);
  });

  it('answers the address of its own for a draft', async () => {
    const { home, call, sent } = await netlify({ created: 'ready', required: () => [] });
    writeFiles(home, { 'site/index.html': 'x' });
    const result = await call('deploy', { site: 'acme', dir: 'site', draft: true });
    expect(result).toMatchObject({ url: 'https://deploy1--acme.netlify.app', uploaded: 0 });
    expect(sent.at(-1)?.json()).toMatchObject({ draft: true });
  });

  it('waits for the digests of many files, and sends the files a few at a time', async () => {
    let under = 0;
    let most = 0;
    let goOn = () => {};
    const fiveWait = new Promise<void>((resolve) => (goOn = resolve));
    const all = Object.fromEntries(Array.from({ length: 120 }, (_, n) => [`site/${n}.txt`, String(n)]));
    const { home, call, sent } = await netlify({
      created: 'preparing',
      required: () => [],
      states: ['preparing', 'prepared', 'ready'],
      async intercept(operation) {
        if (operation === 'getDeploy' && sentSoFar() === 0)
          return { json: { id: 'deploy1', state: 'prepared', required: Object.values(all).map(sha1) } };
        if (operation === 'uploadDeployFile') {
          under += 1;
          most = Math.max(most, under);
          if (under === 5) goOn();
          await fiveWait;
          under -= 1;
        }
        return undefined;
      },
    });
    const sentSoFar = () => uploads(sent).length;
    writeFiles(home, all);
    const result = await call('deploy', { site: 'acme', dir: 'site' });
    expect(result).toMatchObject({ state: 'ready', uploaded: 120 });
    expect(sent[1]?.json()).toMatchObject({ async: true });
    expect(most).toBe(5);
  });

  it('takes a zip by the same way', async () => {
    const { home, call, sent } = await netlify();
    const text = (content: string) => new TextEncoder().encode(content);
    const zip = zipSync({
      'index.html': text('<h1>'),
      'css/a.css': text('a'),
      '.env': text('SECRET=1'),
      '__MACOSX/x': text('x'),
    });
    writeFileSync(join(home, 'site.zip'), zip);
    expect(await call('deploy', { site: 'acme', zip: 'site.zip' })).toMatchObject({ uploaded: 2 });
    expect(filesSent(sent)).toEqual({ '/index.html': sha1('<h1>'), '/css/a.css': sha1('a') });
    expect(
      uploads(sent)
        .map(({ body }) => body.toString())
        .sort(),
    ).toEqual(['<h1>', 'a']);
  });

  it('fails with what Netlify says where the deploy fails', async () => {
    const { home, call } = await netlify({ states: ['processing', 'error'] });
    writeFiles(home, { 'site/index.html': 'x' });
    await expect(call('deploy', { site: 'acme', dir: 'site' })).rejects.toMatchObject({
      code: 'upstream',
      details: { deploy_id: 'deploy1', state: 'error' },
    });
  });

  it('gives up on a deploy that never gets ready', async () => {
    const { home, call } = await netlify({ states: ['processing'] });
    writeFiles(home, { 'site/index.html': 'x' });
    await expect(call('deploy', { site: 'acme', dir: 'site' })).rejects.toMatchObject({ code: 'upstream' });
  });

  it('knows no site by a part of its name', async () => {
    const { home, call, operations } = await netlify();
    writeFiles(home, { 'site/index.html': 'x' });
    await expect(call('deploy', { site: 'acm', dir: 'site' })).rejects.toMatchObject({ code: 'not_found' });
    expect(operations).toEqual(['listSites']);
  });

  it('sends no link and nothing hidden but .well-known', async () => {
    const { home, call, sent } = await netlify();
    writeFiles(home, {
      'site/index.html': 'x',
      'site/.env': 'SECRET=1',
      'site/.git/config': 'x',
      'site/a/.htpasswd': 'x',
      'site/.well-known/security.txt': 'x',
      'site/node_modules/x/index.js': 'x',
      'secret.txt': 'x',
    });
    symlinkSync(join(home, 'secret.txt'), join(home, 'site/linked.txt'));
    symlinkSync('/etc', join(home, 'site/etc'));
    await call('deploy', { site: 'acme', dir: 'site' });
    expect(Object.keys(filesSent(sent)).sort()).toEqual(['/.well-known/security.txt', '/index.html']);
  });

  it.each([
    { dir: '.' },
    { dir: '..' },
    { dir: '/etc' },
    { dir: 'execution' },
    { dir: 'directives' },
    { dir: '.git' },
    { dir: 'away' },
    { dir: 'nowhere' },
    { dir: 'empty' },
    { dir: 'odd' },
    { zip: '.env' },
    { zip: 'db.sqlite' },
    { zip: 'text.zip' },
    { zip: 'climbs.zip' },
    { dir: 'site', zip: 'site.zip' },
    {},
  ])('refuses %j before anything is sent', async (where) => {
    const { home, call, sent } = await netlify();
    writeFiles(home, {
      'site/index.html': 'x',
      'odd/a?b.html': 'x',
      'execution/x.sh': 'x',
      'directives/x.md': 'x',
      '.git/config': 'x',
      '.env': 'x',
      'db.sqlite': 'x',
      'text.zip': 'no zip',
    });
    mkdirSync(join(home, 'empty'));
    symlinkSync('/etc', join(home, 'away'));
    writeFileSync(join(home, 'climbs.zip'), zipSync({ '../up.html': new Uint8Array([1]) }));
    await expect(call('deploy', { site: 'acme', ...where })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(sent).toEqual([]);
  });

  it('refuses a zip that unpacks to too much, also where it announces less', async () => {
    const { home, call, sent } = await netlify();
    const announcing = (bytes: number): Buffer => {
      const zip = Buffer.from(zipSync({ 'big.bin': new Uint8Array(100_000) }));
      // APPNOTE 4.3.12: the size in the central directory, where a reader looks for it.
      zip.writeUInt32LE(bytes, zip.indexOf(Buffer.from([0x50, 0x4b, 0x01, 0x02])) + 24);
      return zip;
    };
    writeFileSync(join(home, 'bomb.zip'), announcing(300 * 1024 * 1024));
    await expect(call('deploy', { site: 'acme', zip: 'bomb.zip' })).rejects.toMatchObject({ code: 'too_large' });
    expect(sent).toEqual([]);
    writeFileSync(join(home, 'lies.zip'), announcing(10));
    await call('deploy', { site: 'acme', zip: 'lies.zip' });
    expect(uploads(sent)[0]?.body).toHaveLength(10);
  });

  it('is refused without a key, and by a wrong one without showing it', async () => {
    const bare = createIntegrations([createNetlify({ variables: {} })]);
    await expect(bare.call('netlify', 'sites', {}, contextOf())).rejects.toMatchObject({ code: 'not_configured' });
    const { call } = await netlify({
      intercept: () => ({ status: 401, json: { code: 401, message: `Bad ${token}` } }),
    });
    const error = await call('sites', {}).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'unauthorized' });
    expect(String((error as Error).message)).not.toContain(token);
  });
});

describe('Netlify besides', () => {
  it('lists sites over its pages', async () => {
    const page = (n: number) => Array.from({ length: n }, (_, index) => ({ ...site, id: String(index) }));
    const { call, sent } = await netlify({
      intercept: (_operation, { query }) => ({ json: page(query.page === '1' ? 100 : 3) }),
    });
    const { sites } = (await call('sites', { limit: 200 })) as { sites: unknown[] };
    expect(sites).toHaveLength(103);
    expect(sites[0]).toEqual({ id: '0', name: 'acme', url: 'https://acme.netlify.app', custom_domain: null });
    expect(sent).toHaveLength(2);
  });

  it('checks its key', async () => {
    const good = await netlify();
    expect(await good.integration.check()).toMatchObject({ configured: true, ok: true });
    const bad = await netlify({ intercept: () => ({ status: 401, json: { message: 'no' } }) });
    expect(await bad.integration.check()).toMatchObject({ configured: true, ok: false });
    expect(await createNetlify({ variables: { NETLIFY_AUTH_TOKEN: '' } }).check()).toMatchObject({ configured: false });
  });
});
