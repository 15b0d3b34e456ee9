import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { signInLink } from '../../src/cli/serve.js';
import { silentLog } from '../../src/log.js';
import { command, ended, event, place, type Started, smallHome } from '../helpers/doe.js';
import { createTestApp } from '../helpers/test-app.js';
import { createVisitor } from '../helpers/visitor.js';

const slow = {
  'directives/slow.md': '---\nretry: { on_interrupt: false }\n---\n# Slow\n',
  'execution/slow.sh': 'exec 9>alive\necho started\nexec sleep 60\n',
};

describe('doe serve', () => {
  test('makes the secrets at its first start, answers, and ends with 0 when it is asked to stop', async () => {
    const { serve, home } = place(smallHome);
    const { address, stop } = await serve();
    expect(statSync(join(home, '.env')).mode & 0o777).toBe(0o600);
    expect(await (await fetch(`${address}/health`)).json()).toMatchObject({ name: 'doe-dispatcher', worker: 'on' });
    const { code, stdout } = await stop();
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  test('of two first starts at once both live, with the same secrets', async () => {
    const { serve, home, doe } = place(smallHome);
    const both = await Promise.all([serve(), serve()]);
    const { MCP_API_KEY = '' } = parse(readFileSync(join(home, '.env')));
    for (const { address } of both) {
      const answer = await fetch(`${address}/tasks`, { headers: { 'x-api-key': MCP_API_KEY } });
      expect(answer.status).toBe(200);
    }
    expect((await doe(['tasks', '--home', home])).code).toBe(0);
  });

  test('at a terminal it first gives a link that signs the person in, and Ctrl-C ends it with 0', async () => {
    const { atTerminal, home } = place(smallHome);
    const { code, stdout } = await atTerminal(['serve', '--home', home], [['Ctrl-C stops it', '\u0003']]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Sign in once, within a minute: http:\/\/doe\.localhost:\d+\/ui\/sign-in\?code=[\w-]+$/m);
    expect(stdout).toMatch(/page {4}http:\/\/doe\.localhost:\d+\/ui/);
    const { MCP_API_KEY = '' } = parse(readFileSync(join(home, '.env')));
    expect(stdout).not.toContain(MCP_API_KEY);
  });

  test('the link at its start signs its person in; where the store gives none now, the start goes on without', async () => {
    const app = await createTestApp({ noWorker: true });
    const url = new URL((await signInLink(app, silentLog)) ?? '');
    const visitor = createVisitor(app);
    expect(url.origin).toBe(visitor.origin);
    await visitor.post('/ui/sign-in', { code: url.searchParams.get('code') ?? '' });
    expect((await visitor.get('/ui')).status).toBe(200);
    vi.spyOn(app.dispatcher.store.people, 'mintNonce').mockRejectedValue(new Error('busy'));
    const log = { ...silentLog, warn: vi.fn() };
    expect(await signInLink(app, log)).toBeNull();
    expect(log.warn).toHaveBeenCalledWith('serve.no_sign_in_link', expect.anything());
  });

  test('in a folder that this user does not know it writes nothing: exit 2', async () => {
    const { doe, home, folder } = place(smallHome);
    const { code, stderr } = await doe(['serve']);
    expect(code).toBe(2);
    expect(stderr).toContain('--home');
    expect(readdirSync(home).sort()).toEqual(['directives', 'execution']);
    expect(existsSync(join(folder, 'state'))).toBe(false);
  });

  test('a port that is taken: exit 1, and by what', async () => {
    const { run, home } = place(smallHome);
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const PORT = String((taken.address() as AddressInfo).port);
    const { code, stderr } = await run(['serve', '--home', home], { environment: { PORT } });
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${PORT} is taken by another program`);
  });

  test('a port that another doe has: exit 1, and it is called so', async () => {
    const { run, serve, home } = place(smallHome);
    const { address } = await serve();
    const PORT = new URL(address).port;
    const { code, stderr } = await run(['serve', '--home', home], { environment: { PORT } });
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1:${PORT} is taken by another doe`);
  });

  test('a short key beyond loopback is refused: exit 2', async () => {
    const { run, home } = place(smallHome);
    const environment = { HOST: '0.0.0.0', MCP_API_KEY: 'key1' };
    const { code, stderr } = await run(['serve', '--home', home], { environment });
    expect(code).toBe(2);
    expect(stderr).toContain('MCP_API_KEY');
    expect(stderr).toContain('0.0.0.0');
  });

  test('a setting that cannot be used is named: exit 2', async () => {
    const { doe, home } = place(smallHome);
    const { code, stderr } = await doe(['serve', '--home', home], { environment: { DOE_LEASE: '3' } });
    expect(code).toBe(2);
    expect(stderr).toContain('DOE_LEASE');
  });

  test('a secret other than the one that the database knows: exit 2, and neither is shown', async () => {
    const { run, home, doe } = place(smallHome);
    await doe(['init']);
    const environment = { MCP_SECRET: 'another-secret-that-is-long-enough-0123456789' };
    const { code, stderr } = await run(['serve', '--home', home], { environment });
    expect(code).toBe(2);
    expect(stderr).toContain('MCP_SECRET_PREVIOUS');
    expect(stderr).not.toContain(environment.MCP_SECRET);
  });

  test('a running script gets its grace, then is stopped, and the process ends', async () => {
    const { serve, home } = place(slow);
    const bridge = await serve(['--grace', '0']);
    const { gone } = await startSlow(bridge, home);
    const { code, stderr } = await bridge.stop();
    expect(code).toBe(0);
    expect(stderr).toContain('interrupted');
    await gone;
  });

  test('a second signal ends it at once, by that signal, and its scripts with it', async () => {
    const { serve, home } = place(slow);
    const bridge = await serve(['--grace', '600']);
    const { gone } = await startSlow(bridge, home);
    const stopping = event(bridge.process, 'serve.stopping');
    const end = bridge.stop('SIGINT');
    await stopping;
    bridge.process.kill('SIGINT');
    expect((await end).code).toBe(130);
    await gone;
  });
});

describe('doe worker', () => {
  test('runs queued tasks beside a bridge that has none, and ends with 0', async () => {
    const { serve, doe, home, environment } = place(smallHome);
    const bridge = await serve(['--no-worker']);
    expect(await bridge.call('/health')).toMatchObject({ worker: 'off' });
    const worker = spawn(process.execPath, [command(), 'worker', '--home', home], { env: environment });
    const end = ended(worker);
    await event(worker, 'worker.ready', end);
    await create(bridge, 'hello');
    const { code, stdout } = await doe(['logs', 'hello-1', '-f', '--home', home]);
    expect(stdout).toContain('hello p');
    expect(code).toBe(0);
    worker.kill('SIGTERM');
    expect((await end).code).toBe(0);
  });
});

/** Makes a task of this type and acknowledges it. */
async function create({ call }: Started, type: string): Promise<void> {
  await call('/tasks', { task_type: type, project_id: 'p', actor_id: 'a', task_id: `${type}-1` });
  await call('/mcp/acknowledge', { task_id: `${type}-1`, actor_id: 'a' });
}

/**
 * Starts the slow script, and resolves once it has said that it runs.
 * @returns resolves when it runs no more: its end of a pipe is closed then
 */
async function startSlow(bridge: Started, home: string): Promise<{ gone: Promise<unknown> }> {
  execFileSync('mkfifo', [join(home, 'alive')]);
  const gone = once(createReadStream(join(home, 'alive')).resume(), 'end');
  await create(bridge, 'slow');
  for (let after = 0; ; ) {
    const answer = await bridge.call(`/tasks/slow-1/status?after=${after}&wait_seconds=20`);
    const logs = answer.logs as { id: number; text: string }[];
    if (logs.some(({ text }) => text === 'started')) return { gone };
    after = logs.at(-1)?.id ?? after;
  }
}
