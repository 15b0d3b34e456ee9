import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAutomations } from '../../src/automations/runner.js';
import { DispatcherError } from '../../src/errors.js';
import type { Integrations } from '../../src/integrations/index.js';
import { createIntegrations } from '../../src/integrations/registry.js';
import { type Log, silentLog } from '../../src/log.js';
import type { JsonObject } from '../../src/tasks/outcome.js';
import { listAutomations, runAutomation } from '../../src/tools/automations.js';
import { listTrust, trustItems } from '../../src/tools/trust.js';
import { processesOfRun } from '../../src/worker/process-group.js';
import { callers, createTestApp, type TestApp } from '../helpers/test-app.js';

const greet = `
export const description = 'Greets somebody';
export const params = { type: 'object', required: ['who'], properties: { who: { type: 'string' } }, additionalProperties: false };
export const run = ({ who }) => ({ said: 'Hello ' + who });
export const plan = ({ who }) => ({ would_say: 'Hello ' + who });
`;

const automation = (body: string): string => `export const description = 'A test';\n${body}`;

const homeWith = (modules: Record<string, string>, settings: Record<string, string> = {}): Promise<TestApp> =>
  createTestApp({
    files: Object.fromEntries(Object.entries(modules).map(([name, text]) => [`automations/${name}.mjs`, text])),
    settings,
    kind: 'command',
    start: false,
  });

async function trustAll(app: TestApp): Promise<void> {
  const { items } = await app.call(listTrust, {});
  await app.call(trustItems, {
    items: items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 })),
  });
}

async function trusted(modules: Record<string, string>, settings: Record<string, string> = {}): Promise<TestApp> {
  const app = await homeWith(modules, settings);
  await trustAll(app);
  return app;
}

const run = (app: TestApp, name: string, params: JsonObject = {}, dryRun = false) =>
  app.call(runAutomation, { automation: name, params, dryRun }, callers.agent).then(({ result }) => result);

const infoOf = async (app: TestApp, name: string) =>
  (await app.call(listAutomations, {})).automations.find((found) => found.name === name);

const runsAudited = async (app: TestApp) =>
  (await app.dispatcher.store.ledger.events({ taskId: null, limit: 100 })).filter(
    ({ type }) => type === 'automation_run',
  );

/** A runner of its own over the app's store, with a time limit or integrations of the test's choosing. */
/** Holds a process up as an endless loop does, without the heat. */
const held = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';

function runnerOver(app: TestApp, options: { limitMs?: number; integrations?: Integrations; log?: Log }) {
  const { config, store, log, redact } = app.dispatcher;
  const runner = createAutomations({ config, store, log, redact, integrations: createIntegrations([]), ...options });
  onTestFinished(() => runner.close());
  return runner;
}

/** A dead process that nobody has reaped yet is dead. */
const lives = (pid: number): boolean => {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return stdout.trim() !== '' && !stdout.startsWith('Z');
};

describe("a home's own automation", () => {
  it('runs once it is trusted, and is audited without its params', async () => {
    const app = await trusted({ greet });
    expect(await infoOf(app, 'greet')).toMatchObject({ description: 'Greets somebody', trusted: true, can_plan: true });
    expect(await run(app, 'greet', { who: 'Ada-Lovelace' })).toEqual({ said: 'Hello Ada-Lovelace' });
    const [event] = await runsAudited(app);
    expect(event).toMatchObject({ principal: 'agent', data: { name: 'greet', dry_run: false, ok: true } });
    expect(JSON.stringify(event)).not.toContain('Lovelace');
  });

  it('is listed and not run while nobody trusted it', async () => {
    const app = await homeWith({ spy: `${automation('')}\nimport fs from 'node:fs'; fs.writeFileSync('ran', 'yes');` });
    expect(await infoOf(app, 'spy')).toMatchObject({ trusted: false, params: null, error: null });
    await expect(run(app, 'spy')).rejects.toMatchObject({ code: 'not_allowed' });
    expect(existsSync(join(app.home, 'ran'))).toBe(false);
    expect((await runsAudited(app))[0]?.data).toMatchObject({ ok: false, code: 'not_allowed' });
  });

  it('is not loaded any more once its text changed', async () => {
    const app = await trusted({ greet });
    await run(app, 'greet', { who: 'you' });
    app.write({ 'automations/greet.mjs': greet.replace('Hello', 'Hullo') });
    await expect(run(app, 'greet', { who: 'you' })).rejects.toMatchObject({ code: 'not_allowed' });
    expect(await infoOf(app, 'greet')).toMatchObject({ trusted: false, params: null });
  });

  it('checks params by its JSON Schema, and by zod where it uses that', async () => {
    const withZod = automation(
      "import { z } from 'zod'; export const params = z.object({ count: z.number().max(3).default(2) }); export const run = (p) => p;",
    );
    const app = await trusted({ greet, 'with-zod': withZod });
    await expect(run(app, 'greet', {})).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(run(app, 'greet', { who: 'x', more: 1 })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await run(app, 'with-zod')).toEqual({ count: 2 });
    await expect(run(app, 'with-zod', { count: 4 })).rejects.toMatchObject({ code: 'invalid_input' });
    expect((await infoOf(app, 'with-zod'))?.params).toMatchObject({ properties: { count: { type: 'number' } } });
  });

  it('takes no params where it names none', async () => {
    const app = await trusted({ plain: automation('export const run = () => 1;') });
    await expect(run(app, 'plain', { a: 1 })).rejects.toMatchObject({ code: 'invalid_input' });
    expect(await run(app, 'plain')).toBe(1);
  });

  it('answers its plan in a dry run, or the checked call where it has none', async () => {
    const app = await trusted({ greet, plain: automation("export const run = () => { throw new Error('it ran') };") });
    expect(await run(app, 'greet', { who: 'you' }, true)).toEqual({ would_say: 'Hello you' });
    expect(await run(app, 'plain', {}, true)).toEqual({ dry_run: true, automation: 'plain', params: {} });
    await expect(run(app, 'greet', {}, true)).rejects.toMatchObject({ code: 'invalid_input' });
  });

  it("has none of the server's settings in its environment", async () => {
    const app = await trusted(
      { env: automation('export const run = () => Object.keys(process.env).sort();') },
      { NETLIFY_AUTH_TOKEN: 'netlify-secret-value', NODE_OPTIONS: '', SOME_TOKEN: 'some-token-value' },
    );
    const names = (await run(app, 'env')) as string[];
    expect(
      names.filter((name) => !['DOE_RUN_ID', 'HOME', 'LANG', 'LC_ALL', 'PATH', 'TMPDIR', 'TZ'].includes(name)),
    ).toEqual([]);
    expect(names).toContain('PATH');
  });

  it('may print what it likes', async () => {
    const noisy = automation(
      "export const run = () => { for (let i = 0; i < 5000; i++) { console.log('{\"jsonrpc\":\"2.0\"}'.repeat(20)); } process.stderr.write('x'); return 'done'; };",
    );
    expect(await run(await trusted({ noisy }), 'noisy')).toBe('done');
  });

  it('is ended at the time limit, with everything that it started', async () => {
    const loop = automation(`
      import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      export const run = () => {
        const helper = spawn('sleep', ['600'], { stdio: 'ignore' });
        writeFileSync('pids', process.pid + ' ' + helper.pid);
        ${held}
      };`);
    const app = await trusted({ loop });
    const runner = runnerOver(app, { limitMs: 2000 });
    await expect(runner.run('loop', {}, { dryRun: false, caller: callers.agent })).rejects.toMatchObject({
      code: 'automation_timeout',
    });
    const pids = readFileSync(join(app.home, 'pids'), 'utf8').split(' ').map(Number);
    expect(pids).toHaveLength(2);
    expect(lives(pids[0] ?? 0)).toBe(false);
    await expect.poll(() => lives(pids[1] ?? 0), { timeout: 20_000 }).toBe(false);
  });

  it('is over at its time limit also where a process that left its group holds its output open', async () => {
    const held = automation(`
      import { spawn } from 'node:child_process';
      import { writeFileSync } from 'node:fs';
      const start = (env) => spawn('sleep', ['600'], { detached: true, stdio: ['ignore', 'inherit', 'inherit'], env }).pid;
      export const run = () => {
        start(process.env);
        writeFileSync('run-id', process.env.DOE_RUN_ID);
        return new Promise(() => {});
      };
      export const plan = () => start({ PATH: process.env.PATH });`);
    const app = await trusted({ held });
    const runner = runnerOver(app, { limitMs: 2000 });
    const ended = runner.run('held', {}, { dryRun: false, caller: callers.agent });
    await expect(ended).rejects.toMatchObject({ code: 'automation_timeout' });
    expect(processesOfRun(readFileSync(join(app.home, 'run-id'), 'utf8'))).toEqual([]);
    // One that hid from that, too, keeps nobody waiting.
    const pid = Number(await runner.run('held', {}, { dryRun: true, caller: callers.agent }));
    expect(lives(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
    await runner.close();
  });

  it('that sends the server what is no message, or no answer, is refused alone', async () => {
    const forger = automation(`
      import { writeSync } from 'node:fs';
      const say = (left) => { while (left.length > 0) try { left = left.subarray(writeSync(3, left)); } catch (error) { if (error.code !== 'EAGAIN') throw error; } };
      export const params = { type: 'object', properties: { text: { type: 'string' }, times: { type: 'integer' } } };
      export const run = ({ text, times = 1 }) => { say(Buffer.from(text.repeat(times))); return new Promise(() => {}); };`);
    const app = await trusted({ forger, greet });
    const answer = (json: unknown) => `${JSON.stringify({ kind: 'done', json })}\n`;
    const said: [params: JsonObject, why: string][] = [
      [{ text: 'no JSON\n' }, 'no message'],
      [{ text: 'null\n' }, 'no message'],
      [{ text: '{"cmd":"NODE_HANDLE","type":"none"}\n' }, 'no message'],
      [{ text: '{"kind":"integration","id":1}\n' }, 'no message'],
      [{ text: answer(undefined) }, 'no message'],
      [{ text: answer({}) }, 'no message'],
      [{ text: answer('{') }, 'is no JSON'],
      [{ text: answer('['.repeat(100_000)) }, 'levels deep'],
      [{ text: 'x'.repeat(1024), times: 9 * 1024 }, 'more than 8 MiB'],
    ];
    const refusals = said.map(([params]) => run(app, 'forger', params).catch((error: DispatcherError) => error));
    for (const [index, refusal] of (await Promise.all(refusals)).entries())
      expect(refusal).toMatchObject({
        code: 'automation_failed',
        message: expect.stringContaining(said[index]?.[1] ?? ''),
      });
    expect(await run(app, 'greet', { who: 'you' })).toEqual({ said: 'Hello you' });
  });

  it('does not outlive a server that was killed, not even in an endless loop', async () => {
    const entry = fileURLToPath(new URL('../../src/automations/assets/child.mjs', import.meta.url));
    const server = `
      import { spawn } from 'node:child_process';
      const child = spawn(process.execPath, [${JSON.stringify(entry)}], { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'pipe'] });
      const text = "export const description = 'x'; console.log(process.pid); for (;;) {}";
      child.stdio[3].write(JSON.stringify({ kind: 'job', task: 'run', name: 'loop', text, params: {}, home: '/' }) + '\\n');`;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', server], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [printed] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(printed.toString());
    expect(lives(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => lives(pid), { timeout: 20_000 }).toBe(false);
  });

  it('is ended when its caller goes away, and when the server stops', async () => {
    const app = await trusted({
      wait: automation(
        "import { writeFileSync } from 'node:fs'; export const run = ({}) => { writeFileSync('started', ''); return new Promise(() => {}); };",
      ),
    });
    const runner = runnerOver(app, {});
    const started = () => expect.poll(() => existsSync(join(app.home, 'started')), { timeout: 20_000 }).toBe(true);
    const leaving = new AbortController();
    const left = runner.run('wait', {}, { dryRun: false, caller: callers.agent, signal: leaving.signal });
    const leftEnded = expect(left).rejects.toMatchObject({ code: 'automation_failed' });
    await started();
    leaving.abort();
    await leftEnded;
    rmSync(join(app.home, 'started'));
    const cut = runner.run('wait', {}, { dryRun: false, caller: callers.agent });
    const cutEnded = expect(cut).rejects.toMatchObject({ code: 'shutting_down' });
    await started();
    await runner.close();
    await cutEnded;
  });

  it('reaches integrations through the server, and gets their refusals as errors', async () => {
    const calls: unknown[] = [];
    const integrations: Integrations = {
      list: () => [],
      async call(name, action, input) {
        calls.push({ name, action, input });
        if (action === 'refuse') throw new DispatcherError('rate_limited', 'Too much.', { hint: 'Wait.' });
        return { answer: 42 };
      },
    };
    const app = await trusted({
      caller: automation(`
        export const plan = (_, ctx) => ctx.integration('airtable', 'list');
        export async function run(_, ctx) {
          const good = await ctx.integration('airtable', 'list', { table: 'Leads' });
          const bad = await ctx.integration('airtable', 'refuse').catch(({ code, hint }) => ({ code, hint }));
          return { good, bad };
        }`),
    });
    const runner = runnerOver(app, { integrations });
    expect(await runner.run('caller', {}, { dryRun: false, caller: callers.agent })).toEqual({
      good: { answer: 42 },
      bad: { code: 'rate_limited', hint: 'Wait.' },
    });
    expect(calls).toEqual([
      { name: 'airtable', action: 'list', input: { table: 'Leads' } },
      { name: 'airtable', action: 'refuse', input: {} },
    ]);
    await expect(runner.run('caller', {}, { dryRun: true, caller: callers.agent })).rejects.toMatchObject({
      code: 'automation_failed',
    });
    expect(calls).toHaveLength(2);
  });

  it('never shows a secret that it found', async () => {
    const secret = 'netlify-secret-value-0123456789';
    const app = await trusted(
      {
        leak: automation(
          "import { readFileSync } from 'node:fs'; const found = () => readFileSync('.env', 'utf8'); export const run = () => ({ found: found() }); export const plan = () => { throw new Error(found()); };",
        ),
      },
      { NETLIFY_AUTH_TOKEN: secret },
    );
    app.write({ '.env': `NETLIFY_AUTH_TOKEN=${secret}\n` });
    expect(await run(app, 'leak')).toEqual({ found: 'NETLIFY_AUTH_TOKEN=[redacted]\n' });
    const refusal = await run(app, 'leak', {}, true).catch((error: DispatcherError) => error);
    expect(refusal).toMatchObject({ code: 'automation_failed' });
    expect(String((refusal as Error).message)).not.toContain(secret);
  });

  it('prints no part of a secret into the log, also where its output is cut', async () => {
    const secret = 'netlify-secret-value-0123456789';
    const printing = automation(
      `export const run = (_) => { for (const before of [16 * 1024 - 9, 48 * 1024 - 49]) process.stdout.write('x'.repeat(before) + ${JSON.stringify(secret)}); return 1; };`,
    );
    const app = await trusted({ printing }, { NETLIFY_AUTH_TOKEN: secret });
    const printed: string[] = [];
    const log = {
      ...silentLog,
      debug: (_: string, fields?: { text?: unknown }) => void printed.push(String(fields?.text)),
    };
    await runnerOver(app, { log }).run('printing', {}, { dryRun: false, caller: callers.agent });
    expect(printed.join('')).toMatch(/^x{1000}/);
    expect(printed.join('')).not.toContain('netlify');
  });

  it('says what it wrote in the audit trail', async () => {
    const app = await trusted({ writer: automation("export const run = () => ({ wrote: ['a.txt', 'b.txt'] });") });
    await run(app, 'writer');
    expect((await runsAudited(app))[0]?.data).toMatchObject({ wrote: ['a.txt', 'b.txt'], wrote_count: 2 });
  });

  it.each([
    ['a throw', "export const run = () => { throw new Error('boom'); };"],
    ['an end before the answer', 'export const run = () => process.exit(0);'],
    ['an answer that is no JSON', 'export const run = () => 1n;'],
    ['a huge answer', "export const run = () => 'x'.repeat(2_000_000);"],
    ['a crash', 'export const run = () => new Promise(() => setTimeout(() => { throw new Error() }, 1));'],
  ])('fails by name with %s', async (_what, body) => {
    const app = await trusted({ bad: automation(body) });
    await expect(run(app, 'bad')).rejects.toMatchObject({ code: 'automation_failed' });
    expect((await runsAudited(app))[0]?.data).toMatchObject({ ok: false, code: 'automation_failed' });
  });
});

describe('the list of automations', () => {
  it('shows a broken module with its error beside the others', async () => {
    const app = await trusted({
      greet,
      syntax: 'export const = ;',
      nothing: 'export const run = () => 1;',
      'no-run': "export const description = 'x';",
      schema: automation("export const params = { type: 'array' }; export const run = () => 1;"),
      imports: automation("import './greet.mjs'; export const run = () => 1;"),
      package: automation("import 'yaml'; export const run = () => 1;"),
      'list-clients': greet,
      _passed_over: greet,
    });
    const { automations } = await app.call(listAutomations, {});
    const errors = Object.fromEntries(
      automations.filter(({ source }) => source === 'home').map((one) => [one.name, one.error]),
    );
    expect(errors).toEqual({
      greet: null,
      syntax: expect.stringContaining('SyntaxError') as string,
      nothing: expect.stringContaining('description') as string,
      'no-run': expect.stringContaining('run') as string,
      schema: expect.stringContaining('type: object') as string,
      imports: expect.stringContaining('one file') as string,
      package: expect.stringContaining('one file') as string,
      'list-clients': expect.stringContaining('built-in') as string,
    });
    await expect(run(app, 'syntax')).rejects.toMatchObject({ code: 'automation_failed' });
    expect(JSON.stringify(automations)).not.toContain('base64');
  });

  it('waits once for a module that never loads', async () => {
    const stuck = `import { appendFileSync } from 'node:fs'; appendFileSync('loads', 'x'); ${held}`;
    const app = await trusted({ greet, stuck });
    const runner = runnerOver(app, { limitMs: 2000 });
    const errors = async () => (await runner.list()).map(({ error }) => error).filter((error) => error !== null);
    expect(await errors()).toEqual([expect.stringContaining('took longer') as string]);
    expect(await errors()).toHaveLength(1);
    expect(readFileSync(join(app.home, 'loads'), 'utf8')).toBe('x');
  });

  it('refuses a module that is a link out of its folder, and one that is no file', async () => {
    const app = await homeWith({ greet });
    writeFileSync(join(app.home, 'outside.mjs'), greet);
    symlinkSync(join(app.home, 'outside.mjs'), join(app.home, 'automations', 'linked.mjs'));
    app.write({ 'automations/folder.mjs/x': '' });
    expect((await infoOf(app, 'linked'))?.error).toContain('link');
    expect((await infoOf(app, 'folder'))?.error).toContain('no file');
    await expect(run(app, 'linked')).rejects.toMatchObject({ code: 'automation_failed' });
  });

  it.each(['../greet', '../automations/greet', 'a/b', '', '.hidden', 'greet\0', '/etc/passwd', 'nobody'])(
    'knows no automation by the name %j',
    async (name) => {
      const app = await trusted({ greet });
      const { automations } = app.dispatcher;
      await expect(automations.run(name, {}, { dryRun: false, caller: callers.agent })).rejects.toMatchObject({
        code: 'automation_not_found',
      });
    },
  );
});
