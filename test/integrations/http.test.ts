import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createHttp, type HttpRequest } from '../../src/integrations/http.js';
import { createPace } from '../../src/integrations/time.js';
import { refusalOf } from '../helpers/errors.js';
import { createTestTime, type Reply, startService } from './service.js';

const secret = 'a-key-that-nobody-may-see';

async function client(replies: Reply[]) {
  const service = await startService((_request, before) => replies[before] ?? { json: { done: true } });
  const time = createTestTime();
  const http = createHttp({
    service: 'Test',
    baseUrl: `${service.url}/v1?fixed=1`,
    headers: { authorization: `Bearer ${secret}` },
    secrets: [secret],
    time,
    timeoutMs: 10_000,
  });
  return { ...service, time, get: (more: Partial<HttpRequest> = {}) => http.request({ ...get, ...more }) };
}

const get: HttpRequest = { method: 'GET', path: '/things', repeat: 'always' };

describe('an address with a password in it', () => {
  it.each(['jen:hunter%2D2000', 'hunter%2D2000', 'hunter%2D2000:'])('is told by no error: %s', async (user) => {
    const baseUrl = `http://${user}@Service.example:8080/v1`;
    const http = createHttp({ service: 'Test', baseUrl, headers: {}, secrets: [], time: createTestTime() });
    const { message, hint } = await refusalOf(() => http.request({ ...get, repeat: 'never' }));
    expect(message).toContain('Test');
    expect(message + hint).not.toMatch(/hunter/);
  });
});

describe('a request', () => {
  it('carries key, query and JSON, and answers what comes back', async () => {
    const { get, sent } = await client([]);
    const answer = await get({ method: 'POST', path: '/a%2Fb', query: { x: 'ä&', gone: undefined }, json: { n: 1 } });
    expect(answer.json(z.unknown())).toEqual({ done: true });
    expect(sent[0]).toMatchObject({
      method: 'POST',
      path: '/v1/a%2Fb',
      query: { fixed: '1', x: 'ä&' },
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    });
    expect(sent[0]?.json()).toEqual({ n: 1 });
  });

  it.each([
    [401, 'unauthorized'],
    [403, 'unauthorized'],
    [404, 'not_found'],
    [400, 'upstream'],
    [422, 'upstream'],
    [501, 'upstream'],
    [302, 'upstream'],
  ])('is refused by %i as %s, once', async (status, code) => {
    const { get, sent } = await client([
      { status, json: { message: `no: ${secret}` }, headers: { location: '/else' } },
    ]);
    const error = await get().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, details: { service: 'Test', status } });
    expect(JSON.stringify([error, (error as Error).message])).not.toContain(secret);
    expect(sent).toHaveLength(1);
  });

  it('is tried again after a 429 by seconds, by a date and by the reset time', async () => {
    const soon = (ms: number) => new Date(Date.now() + ms);
    const { get, sent, time } = await client([
      { status: 429, headers: { 'retry-after': '7' } },
      { status: 429, headers: { 'retry-after': soon(20_000).toUTCString() } },
      {
        status: 429,
        headers: {
          'x-ratelimit-remaining': '0',
          'x-ratelimit-reset': String(Math.ceil(soon(20_000).getTime() / 1000)),
        },
      },
    ]);
    await get({ method: 'POST', repeat: 'never' });
    expect(sent).toHaveLength(4);
    expect(time.pauses[0]).toBe(7000);
    for (const pause of time.pauses.slice(1)) {
      expect(pause).toBeGreaterThan(10_000);
      expect(pause).toBeLessThanOrEqual(21_000);
    }
  });

  it.each(['0', '-5', 'soon', new Date(0).toUTCString()])(
    'is not sent again at once after a 429 with Retry-After: %s',
    async (after) => {
      const { get, time } = await client([{ status: 429, headers: { 'retry-after': after } }]);
      await get();
      expect(time.pauses).toHaveLength(1);
      expect(time.pauses[0]).toBeGreaterThanOrEqual(500);
    },
  );

  it('shows nothing of a secret that the service sends back, whole, cut, in an answer or in an address', async () => {
    const half = secret.slice(0, 12);
    const cutOff = await client([
      { status: 400, body: `${'x'.repeat(288)}${secret}`, headers: { 'content-type': 'text/plain' } },
    ]);
    const error = (await cutOff.get().catch((thrown: unknown) => thrown)) as Error;
    expect(error).toMatchObject({ code: 'upstream', message: expect.stringContaining('xxx') });
    expect(error.message).not.toContain(half);
    const echoed = await client([{ json: { token: secret, kept: 'value' }, headers: { location: `/?k=${secret}` } }]);
    const answer = await echoed.get();
    expect(answer.json(z.unknown())).toEqual({ token: '[redacted]', kept: 'value' });
    expect(answer.headers.get('location')).toBe('/?k=[redacted]');
  });

  it('says that it may have been done where nobody knows and it is not sent again', async () => {
    for (const reply of [{ status: 502 }, { cut: true }]) {
      const { get } = await client([reply]);
      await expect(get({ method: 'POST', repeat: 'never' })).rejects.toMatchObject({
        hint: expect.stringContaining('may have been done'),
      });
    }
  });

  it('gives up where the service wants a long wait, and after its last try', async () => {
    const patient = await client([{ status: 429, headers: { 'retry-after': '3600' } }]);
    await expect(patient.get()).rejects.toMatchObject({ code: 'rate_limited' });
    expect(patient.sent).toHaveLength(1);
    const always = await client(Array.from({ length: 9 }, () => ({ status: 429 })));
    await expect(always.get()).rejects.toMatchObject({ code: 'rate_limited' });
    expect(always.sent).toHaveLength(4);
  });

  it('is sent again after a fault only where that does no harm', async () => {
    const safe = await client([{ status: 503 }, { cut: true }, { status: 502 }]);
    await safe.get({ repeat: 'always' });
    expect(safe.sent).toHaveLength(4);
    for (const reply of [{ status: 500 }, { cut: true }]) {
      const once = await client([reply]);
      await expect(once.get({ method: 'POST', repeat: 'never' })).rejects.toMatchObject({ code: 'upstream' });
      expect(once.sent).toHaveLength(1);
    }
  });

  it('is not sent again after a timeout where the work may still go on', async () => {
    const slow = await client([{ silent: true }]);
    await expect(slow.get({ repeat: 'unless_timeout', timeoutMs: 100 })).rejects.toMatchObject({ code: 'upstream' });
    expect(slow.sent).toHaveLength(1);
    const read = await client([{ silent: true }]);
    await read.get({ repeat: 'always', timeoutMs: 3000 });
    expect(read.sent).toHaveLength(2);
  });

  it('ends with its caller', async () => {
    const leaving = new AbortController();
    const service = await startService(() => {
      leaving.abort(new Error('gone'));
      return { silent: true };
    });
    const http = createHttp({ service: 'Test', baseUrl: service.url, headers: {}, secrets: [] });
    await expect(http.request({ ...get, signal: leaving.signal })).rejects.toThrow('gone');
    expect(service.sent).toHaveLength(1);
  });

  it('refuses an answer that is no JSON or never ends', async () => {
    const { get } = await client([{ body: '<html>' }]);
    const answer = await get();
    expect(() => answer.json(z.unknown())).toThrow(expect.objectContaining({ code: 'upstream' }) as Error);
    const other = await client([{ body: '\ufeff{"things": null}' }]);
    const strange = await other.get();
    expect(strange.json(z.object({ things: z.null() }))).toEqual({ things: null });
    expect(() => strange.json(z.object({ things: z.array(z.string()) }))).toThrow(
      expect.objectContaining({ code: 'upstream', details: { service: 'Test', status: 200 } }) as Error,
    );
    const huge = await client([{ body: Buffer.alloc(17 * 1024 * 1024) }]);
    await expect(huge.get()).rejects.toMatchObject({ code: 'upstream' });
  });

  it('says that nobody listens', async () => {
    const http = createHttp({
      service: 'Test',
      baseUrl: 'http://127.0.0.1:9',
      headers: {},
      secrets: [],
      time: createTestTime(),
    });
    await expect(http.request(get)).rejects.toMatchObject({ code: 'upstream' });
  });
});

describe('a pace', () => {
  it('spaces the calls of one key, and holds them as long as the service asks', async () => {
    const time = createTestTime();
    const pace = createPace(200, time);
    await pace.take('one');
    await pace.take('two');
    expect(time.pauses).toEqual([]);
    await pace.take('one');
    await pace.take('one');
    expect(time.pauses).toEqual([200, 200]);
    pace.hold('one', 30_000);
    await pace.take('one');
    expect(time.pauses).toEqual([200, 200, 30_000]);
  });
});
