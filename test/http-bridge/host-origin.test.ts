// DNS rebinding: a page in a browser must reach the bridge under no name but its own.
import { describe, expect, test } from 'vitest';
import { allowedOrigins, assertHostAndOrigin } from '../../src/http-bridge/host-origin.js';
import { refusalOf } from '../helpers/errors.js';
import { operator, send, sendJson } from '../helpers/raw-http.js';
import { createTestApp, type TestApp } from '../helpers/test-app.js';

const portOf = ({ address }: TestApp): string => new URL(address ?? '').port;

/** Every path that answers anything, from the document and besides it. */
async function everyRoute(app: TestApp): Promise<[method: string, path: string][]> {
  const { paths } = (await sendJson(app, 'GET', '/openapi.json')).json() as { paths: Record<string, object> };
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method): [string, string] => [method.toUpperCase(), path.replace(/\{\w+\}/g, 'x')]),
  );
  const besides = ['/', '/ui', '/ui/sign-in', '/ui/approvals', '/ui/assets/page.css', '/mcp', '/sse', '/nothing'];
  return [
    ...documented,
    ...besides.map((path): [string, string] => ['GET', path]),
    ['POST', '/mcp'],
    ['POST', '/messages'],
    ['POST', '/ui/sign-in'],
    ['OPTIONS', '/tasks'],
  ];
}

describe('over HTTP', () => {
  test('a strange Host is 403 on every route, whatever key comes with it', async () => {
    const app = await createTestApp({ noWorker: true });
    const routes = await everyRoute(app);
    expect(routes.length).toBeGreaterThan(30);
    for (const [method, path] of routes) {
      const answer = await send(app, {
        method,
        path,
        headers: { Host: `rebind.example:${portOf(app)}`, 'X-API-Key': operator },
      });
      expect([method, path, answer.status, answer.json().code]).toEqual([method, path, 403, 'host_not_allowed']);
    }
  });

  test('a strange Origin is 403 on every route, also with the right Host', async () => {
    const app = await createTestApp({ noWorker: true });
    for (const [method, path] of await everyRoute(app)) {
      const answer = await send(app, {
        method,
        path,
        headers: { Origin: 'http://attacker.example', 'X-API-Key': operator },
      });
      expect([method, path, answer.status, answer.json().code]).toEqual([method, path, 403, 'origin_not_allowed']);
    }
  });

  test('names of this machine with the right port are taken, in any case', async () => {
    const app = await createTestApp({ noWorker: true });
    const port = portOf(app);
    for (const name of ['127.0.0.1', 'localhost', 'LOCALHOST', 'LocalHost', '[::1]', 'doe.localhost'])
      expect([name, (await send(app, { path: '/health', headers: { Host: `${name}:${port}` } })).status]).toEqual([
        name,
        200,
      ]);
  });

  test('any other name, port or shape is refused', async () => {
    const app = await createTestApp({ noWorker: true });
    const port = portOf(app);
    const strange = [
      '127.0.0.1',
      'localhost',
      `127.0.0.1:${Number(port) + 1}`,
      `127.0.0.2:${port}`,
      `0.0.0.0:${port}`,
      `localhost.:${port}`,
      `evil.localhost:${port}`,
      `localhost.evil.example:${port}`,
      `127.0.0.1.nip.io:${port}`,
      `x@127.0.0.1:${port}`,
      `127.0.0.1:${port}@evil.example`,
      `127.0.0.1:${port}/`,
      `127.0.0.1:${port}#evil.example`,
      `127.0.0.1:0${port}`,
      `2130706433:${port}`,
      `0x7f.1:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      `localhost:${port}, evil.example`,
      `доe.localhost:${port}`.normalize('NFD'),
      ' ',
      ':',
    ].map((host) => Buffer.from(host).toString('latin1'));
    for (const host of strange) {
      const { status, text } = await send(app, { path: '/health', headers: { Host: host } });
      expect([host, status]).toEqual([host, status === 400 ? 400 : 403]);
      expect(text).not.toContain('home_id');
    }
  });

  test('the own origins may call; null, other ports and other schemes may not', async () => {
    const app = await createTestApp({ noWorker: true });
    const port = portOf(app);
    const status = async (origin: string) => (await send(app, { path: '/health', headers: { Origin: origin } })).status;
    for (const own of [`http://127.0.0.1:${port}`, `http://doe.localhost:${port}`, `HTTP://LOCALHOST:${port}`])
      expect([own, await status(own)]).toEqual([own, 200]);
    for (const other of [
      'null',
      '',
      'http://localhost',
      `https://localhost:${port}`,
      `http://localhost:${port}/`,
      `http://localhost:${Number(port) + 1}`,
      'file://',
      `http://localhost:${port} http://evil.example`,
    ])
      expect([other, await status(other)]).toEqual([other, 403]);
  });

  test('further hosts and the public address are taken where the settings name them', async () => {
    const app = await createTestApp({
      noWorker: true,
      settings: {
        DOE_ALLOWED_HOSTS: 'doe.example.org, Other.example:8443',
        DOE_PUBLIC_URL: 'https://public.example.org',
      },
    });
    const status = async (headers: Record<string, string>) => (await send(app, { path: '/health', headers })).status;
    expect(await status({ Host: 'doe.example.org' })).toBe(200);
    expect(await status({ Host: 'DOE.example.org', Origin: 'https://doe.example.org' })).toBe(200);
    expect(await status({ Host: 'other.example:8443' })).toBe(200);
    expect(await status({ Host: 'public.example.org', Origin: 'https://public.example.org' })).toBe(200);
    expect(await status({ Host: 'public.example.org', Origin: 'http://public.example.org' })).toBe(403);
    expect(await status({ Host: 'other.example' })).toBe(403);
  });
});

describe('judging headers', () => {
  const allowed = allowedOrigins({ allowedHosts: [], publicUrl: null }, [
    'http://127.0.0.1:80',
    'http://10.0.0.5:3001',
  ]);

  test('port 80 needs no saying', () => {
    expect(assertHostAndOrigin(new Headers({ host: 'localhost' }), allowed)).toBe('http://localhost');
    expect(assertHostAndOrigin(new Headers({ host: 'localhost:80' }), allowed)).toBe('http://localhost');
  });

  test('behind a proxy the public address is the one that was dialed, also where its host is allowed by name', () => {
    const proxied = allowedOrigins({ allowedHosts: ['doe.example.org'], publicUrl: 'https://doe.example.org' }, [
      'http://127.0.0.1:3001',
    ]);
    expect(assertHostAndOrigin(new Headers({ host: 'doe.example.org' }), proxied)).toBe('https://doe.example.org');
    expect(assertHostAndOrigin(new Headers({ host: 'doe.example.org:443' }), proxied)).toBe('https://doe.example.org');
    expect(assertHostAndOrigin(new Headers({ host: '127.0.0.1:3001' }), proxied)).toBe('http://127.0.0.1:3001');
  });

  test('an address that is listened on is one to dial', async () => {
    expect(assertHostAndOrigin(new Headers({ host: '10.0.0.5:3001' }), allowed)).toBe('http://10.0.0.5:3001');
    expect(await refusalOf(() => assertHostAndOrigin(new Headers(), allowed))).toMatchObject({
      code: 'host_not_allowed',
    });
  });
});
