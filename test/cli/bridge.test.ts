// Whom the command line sends a key to, and whom not.

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { locateBridge } from '../../src/cli/locate-bridge.js';
import { loadConfig } from '../../src/config.js';
import { ownSecrets, place, smallHome } from '../helpers/doe.js';
import { agentKey, appSecrets, createTestApp, testSecret } from '../helpers/test-app.js';

interface Stranger {
  url: string;
  /** Everything that was sent to it, headers and all. */
  received: string[];
}

/** A program of somebody else on a port, which answers what it likes. */
function stranger(answer: (request: IncomingMessage) => object | { location: string }): Promise<Stranger> {
  const received: string[] = [];
  const server: Server = createServer((request, response) => {
    received.push(JSON.stringify([request.method, request.url, request.rawHeaders]));
    request.on('data', (chunk: Buffer) => received.push(chunk.toString()));
    const body = answer(request);
    if ('location' in body) response.writeHead(302, { location: String(body.location) });
    else response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received });
    });
  });
}

const keyOf = (home: string) => /MCP_API_KEY=(\S+)/.exec(readFileSync(join(home, '.env'), 'utf8'))?.[1] ?? '';
const knownHome = { ...smallHome, ...appSecrets };
const pretends = { ok: true, name: 'doe-dispatcher', version: '0.1.0', home_id: 'x', worker: 'on' };

describe('the way to the bridge', () => {
  test('a living doe serve of this home is found by its port in the store', async () => {
    const { doe, serve, home } = place(smallHome);
    await serve();
    const { code, stdout } = await doe(['tasks', '--json', '--home', home]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ tasks: [], next_cursor: null });
  });

  test('one that is not on the list is found where HOST and PORT say', async () => {
    const app = await createTestApp({ noWorker: true });
    const { store } = app.dispatcher;
    for (const { id } of await store.ledger.processes()) await store.ledger.leave(id);
    const config = loadConfig(app.home, { MCP_SECRET: testSecret, PORT: new URL(app.address ?? '').port });
    expect(await locateBridge(config)).toMatchObject({ url: app.address });
  });

  test.each(['localhost', 'doe.localhost'])(
    'MCP_URL by the name %s finds it where it listens, and the key goes there alone',
    async (name) => {
      const app = await createTestApp({ noWorker: true });
      const { port } = new URL(app.address ?? '');
      const config = loadConfig(app.home, { MCP_SECRET: testSecret, MCP_URL: `http://${name}:${port}` });
      expect((await locateBridge(config)).url).toBe(app.address);
    },
  );

  test('once it was stopped, or killed: exit 3, and what to do', async () => {
    const { doe, serve, home } = place(smallHome);
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const { stop } = await serve();
      await stop(signal);
      const { code, stderr } = await doe(['tasks', '--home', home]);
      expect(code).toBe(3);
      expect(stderr).toContain('doe serve');
    }
  });

  test('MCP_URL where nothing listens: exit 3, by that address', async () => {
    const { doe, home } = place({ ...smallHome, ...ownSecrets });
    const { code, stderr } = await doe(['tasks', '--home', home], { environment: { MCP_URL: 'http://127.0.0.1:9' } });
    expect(code).toBe(3);
    expect(stderr).toContain('http://127.0.0.1:9');
  });

  test.each([
    ['knows no proof', () => pretends],
    ['makes one up', () => ({ ...pretends, proof: 'A'.repeat(43) })],
    ['answers no JSON object', () => ['hello']],
  ])('a stranger on the port that %s gets no key', async (_, answer) => {
    const { doe, home } = place({ ...smallHome, ...ownSecrets });
    const { url, received } = await stranger(answer);
    const { code, stderr } = await doe(['tasks', '--home', home], { environment: { MCP_URL: url } });
    expect(code).toBe(3);
    expect(stderr).toContain('is not the bridge of this home');
    expect(received).toHaveLength(1);
    expect(received.join()).not.toContain(keyOf(home));
    expect(received.join().toLowerCase()).not.toContain('x-api-key');
  });

  test('a relay that passes on the proof of the real bridge gets no key: the proof names the address that was dialed', async () => {
    const { doe, home } = place(knownHome);
    const { address } = await createTestApp({ home, noWorker: true });
    let relayed = 0;
    const server = createServer(async (request, response) => {
      relayed++;
      const headers = { host: new URL(address ?? '').host };
      const real = await fetch(`${address}${request.url}`, { headers });
      response.writeHead(real.status, { 'content-type': 'application/json' }).end(await real.text());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { code } = await doe(['tasks', '--home', home], { environment: { MCP_URL: url } });
    expect(code).toBe(3);
    expect(relayed).toBe(1);
  });

  test('a redirect to the real bridge is not followed', async () => {
    const { doe, home } = place(knownHome);
    const { address } = await createTestApp({ home, noWorker: true });
    const { url } = await stranger((request) => ({ location: `${address}${request.url}` }));
    expect((await doe(['tasks', '--home', home], { environment: { MCP_URL: url } })).code).toBe(3);
  });

  test('the bridge of another home is told from ours', async () => {
    const { doe, home } = place({ ...smallHome, ...ownSecrets });
    const { address } = await createTestApp({ noWorker: true });
    const environment = { MCP_URL: address ?? '' };
    const { code, stderr } = await doe(['tasks', '--home', home], { environment });
    expect(code).toBe(3);
    expect(stderr).toContain('No key was sent');
  });

  test('a key that the bridge does not know: exit 4', async () => {
    const { doe, home } = place(knownHome);
    await createTestApp({ home, noWorker: true });
    const environment = { MCP_API_KEY: 'another-key-0123456789abcdef0123456789' };
    const { code, stderr } = await doe(['tasks', '--home', home], { environment });
    expect(code).toBe(4);
    expect(stderr).toContain('The key is not one of this home.');
    expect(stderr).not.toContain(environment.MCP_API_KEY);
  });

  test('an agent key may look, and not decide: exit 4', async () => {
    const { doe, home } = place(knownHome);
    await createTestApp({ home, noWorker: true });
    const environment = { MCP_API_KEY: agentKey };
    expect((await doe(['tasks', '--home', home], { environment })).code).toBe(0);
    expect((await doe(['pause', '--home', home], { environment })).code).toBe(4);
  });
});
