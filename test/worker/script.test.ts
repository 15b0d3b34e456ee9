import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Log, silentLog } from '../../src/log.js';
import { temporaryFolder, testSecret, writeFiles } from '../helpers/test-app.js';
import { approve, createJob, createJobApp, logOf, runJob, trustAll } from '../helpers/worker-home.js';

test('a script gets its task, token and payload, runs in the home, and its result is the task’s', async () => {
  const app = await createJobApp(`echo "$1 $3"; pwd; printf '{"n":1}' > "$DOE_RESULT_FILE"`);
  const task = await runJob(app, { task_id: 'job-1', payload_json: { b: 1, a: 'x' } });
  expect(task).toMatchObject({
    status: 'succeeded',
    outcome: 'succeeded',
    attempts: 1,
    result: { n: 1 },
    assurance: 'operator',
  });
  expect(await logOf(app, task.id)).toEqual([
    'system Attempt 1 of 1: job.sh',
    'stdout job-1 {"a":"x","b":1}',
    `stdout ${app.home}`,
    'system succeeded',
  ]);
});

test('the token validates while the run holds the task, over the loopback address that the script is handed', async () => {
  const app = await createJobApp('exec node execution/check.mjs "$@"');
  app.write({
    'execution/check.mjs': `
const [, , taskId, token] = process.argv;
const answer = await fetch(process.env.MCP_URL + '/mcp/validate-ack?task_id=' + taskId, { headers: { authorization: 'Bearer ' + token } });
const { task_id, run_id, assurance, task_status } = await answer.json();
const { writeFileSync } = await import('node:fs');
writeFileSync(process.env.DOE_RESULT_FILE, JSON.stringify({ status: answer.status, same: task_id === taskId, run: run_id === process.env.DOE_RUN_ID, assurance, task_status }));
`,
  });
  const task = await runJob(app);
  expect(task.result).toEqual({ status: 200, same: true, run: true, assurance: 'operator', task_status: 'running' });
});

test.each([
  [
    'py',
    'import sys, os, json\njson.dump({"argv": len(sys.argv), "cache": sys.pycache_prefix is not None}, open(os.environ["DOE_RESULT_FILE"], "w"))',
    { argv: 4, cache: true },
  ],
  [
    'mjs',
    'import { writeFileSync } from "node:fs"; writeFileSync(process.env.DOE_RESULT_FILE, JSON.stringify({ argv: process.argv.length }))',
    { argv: 5 },
  ],
  [
    'js',
    'require("node:fs").writeFileSync(process.env.DOE_RESULT_FILE, JSON.stringify({ argv: process.argv.length }))',
    { argv: 5 },
  ],
  ['rb', '#!/usr/bin/env bash\nprintf \'{"argv": %d}\' $# > "$DOE_RESULT_FILE"', { argv: 3 }],
])('a .%s script is run by its interpreter', async (ending, text, result) => {
  const app = await createJobApp('', {
    files: { 'directives/job.md': `---\nscript: s.${ending}\n---\n`, [`execution/s.${ending}`]: text },
  });
  const task = await runJob(app);
  expect(task.result, (await logOf(app, task.id)).join('\n')).toEqual(result);
});

test('the home’s own venv runs its Python scripts', async () => {
  const app = await createJobApp('', {
    files: {
      'directives/job.md': '---\ntitle: T\n---\n',
      'execution/job.py': 'x',
      '.venv/bin/python': '#!/bin/sh\necho "venv $*"\n',
    },
  });
  chmodSync(join(app.home, '.venv/bin/python'), 0o755);
  const task = await runJob(app);
  expect((await logOf(app, task.id)).join('\n')).toMatch(/^stdout venv .*execution\/job\.py /m);
});

test('a script that nothing runs fails with what to do, and without its token', async () => {
  const app = await createJobApp('', {
    files: { 'directives/job.md': '---\nscript: s.xyz\n---\n', 'execution/s.xyz': 'x' },
  });
  const task = await runJob(app);
  expect(task).toMatchObject({ status: 'needs_anneal', statusReason: expect.stringContaining('#! line') });
  app.write({ 'execution/s.xyz': '#!/no/such/program\n' });
  const other = await runJob(app);
  expect(other.statusReason).toContain('ENOENT');
  expect(other.statusReason).not.toMatch(/eyJ|\[redacted\]/);
});

test('the environment holds the contract’s names and nothing else', async () => {
  const app = await createJobApp('env -0 | tr "\\0" "\\n" | cut -d= -f1 | sort', {
    frontMatter: 'env: [HTTPS_PROXY, UNSET_ONE]',
    settings: {
      HTTPS_PROXY: 'http://proxy:1',
      NODE_OPTIONS: '--require /nowhere.js',
      LD_PRELOAD: '/nowhere.so',
      PYTHONPATH: '/nowhere',
      BASH_ENV: '/nowhere',
      MY_OWN: 'x',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
    },
  });
  const task = await runJob(app);
  expect(task.status).toBe('succeeded');
  const shell = ['PWD', 'SHLVL', 'OLDPWD', '_'];
  const names = (await logOf(app, task.id)).filter((line) => line.startsWith('stdout')).map((line) => line.slice(7));
  expect(names.filter((name) => !shell.includes(name))).toEqual([
    'DOE_ATTEMPT',
    'DOE_HOME',
    'DOE_PROJECT_ID',
    'DOE_RESULT_FILE',
    'DOE_RUN_ID',
    'DOE_RUN_KEY',
    'DOE_TASK_ID',
    'DOE_TASK_TYPE',
    'HOME',
    'HTTPS_PROXY',
    'LANG',
    'MCP_URL',
    'PATH',
    'PYTHONNOUSERSITE',
    'PYTHONPYCACHEPREFIX',
    'TZ',
  ]);
});

test('loader variables of the parent process itself have no effect', async () => {
  const { NODE_OPTIONS, PYTHONPATH } = process.env;
  process.env.NODE_OPTIONS = '--require /nowhere.js';
  process.env.PYTHONPATH = '/nowhere';
  try {
    const app = await createJobApp('', {
      files: {
        'directives/job.md': '---\ntitle: T\n---\n',
        'execution/job.mjs': 'console.log(process.env.NODE_OPTIONS, process.env.PYTHONPATH)',
      },
    });
    const task = await runJob(app);
    expect(await logOf(app, task.id)).toContain('stdout undefined undefined');
  } finally {
    process.env.NODE_OPTIONS = NODE_OPTIONS ?? '';
    process.env.PYTHONPATH = PYTHONPATH ?? '';
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    if (PYTHONPATH === undefined) delete process.env.PYTHONPATH;
  }
});

test('a secret reaches only the script of a trusted directive that names it, and never a log, result or reason', async () => {
  const script =
    'echo "v=$NETLIFY_AUTH_TOKEN m=$MCP_SECRET o=$OTHER_TOKEN"; printf \'{"v":"%s"}\' "$NETLIFY_AUTH_TOKEN" > "$DOE_RESULT_FILE"; [ "$NETLIFY_AUTH_TOKEN" = netlify-secret-1 ]';
  const app = await createJobApp(script, {
    frontMatter: 'secrets: [NETLIFY_AUTH_TOKEN]\nauto_anneal: false',
    settings: { NETLIFY_AUTH_TOKEN: 'netlify-secret-1', OTHER_TOKEN: 'other-secret-1' },
  });
  const untrusted = await runJob(app);
  expect(untrusted.status).toBe('failed');
  expect(await logOf(app, untrusted.id)).toContain('stdout v= m= o=');
  await trustAll(app);
  const trusted = await runJob(app);
  expect(trusted).toMatchObject({ status: 'succeeded', result: { v: '[redacted]' } });
  expect(await logOf(app, trusted.id)).toContain('stdout v=[redacted] m= o=');
});

test('token, run key and secret payload values are redacted wherever the script writes them', async () => {
  const app = await createJobApp('echo "$2"; echo "$DOE_RUN_KEY" >&2; echo "$3"; exit 1', {
    frontMatter:
      'auto_anneal: false\npayload: { type: object, properties: { pin: { type: string, x-doe-secret: true } } }',
  });
  const task = await runJob(app, { payload_json: { pin: 'hush-hush-hush' } });
  const log = await logOf(app, task.id);
  expect(log).toEqual(
    expect.arrayContaining(['stdout [redacted]', 'stderr [redacted]', 'stdout {"pin":"[redacted]"}']),
  );
  expect(JSON.stringify([log, task.statusReason])).not.toMatch(/hush-hush|eyJ/);
  expect(JSON.stringify(log)).not.toContain(testSecret);
});

test.each([
  ['no JSON', 'echo "{oops" > "$DOE_RESULT_FILE"', 'no JSON'],
  ['two values', 'echo "1 2" > "$DOE_RESULT_FILE"', 'no JSON'],
  ['more than 256 KiB', 'head -c 262145 /dev/zero > "$DOE_RESULT_FILE"', '262145 bytes'],
  ['a link', 'ln -s /etc/hostname "$DOE_RESULT_FILE"', 'no plain file'],
  ['a folder', 'mkdir "$DOE_RESULT_FILE"', 'no plain file'],
  ['a pipe', 'mkfifo "$DOE_RESULT_FILE"', 'no plain file'],
  ['JSON nested too deep', 'head -c 200000 /dev/zero | tr "\\0" "[" > "$DOE_RESULT_FILE"', 'levels deep'],
])('a result file with %s is a clear failure', async (_what, script, why) => {
  const app = await createJobApp(script, { frontMatter: 'auto_anneal: false' });
  const task = await runJob(app);
  expect(task).toMatchObject({ status: 'failed', result: undefined, statusReason: expect.stringContaining(why) });
});

test('a result file that is no JSON is not quoted: a part of a secret would not be known for one', async () => {
  const app = await createJobApp('printf "hunter2-hunter2%060d" 0 > "$DOE_RESULT_FILE"', {
    frontMatter:
      'auto_anneal: false\npayload: { type: object, properties: { pin: { type: string, x-doe-secret: true } } }',
  });
  const task = await runJob(app, { payload_json: { pin: 'hunter2-hunter2' } });
  expect(task).toMatchObject({ status: 'failed', statusReason: expect.stringContaining('no JSON') });
  expect(JSON.stringify([task.statusReason, await logOf(app, task.id)])).not.toContain('hunt');
});

test('a result of 256 KiB is taken, and none at all is no result', async () => {
  const app = await createJobApp(
    '[ "$DOE_PROJECT_ID" = none ] || { printf \'"\'; head -c 262142 /dev/zero | tr "\\0" x; printf \'"\'; } > "$DOE_RESULT_FILE"',
  );
  expect((await runJob(app)).result).toHaveLength(262_142);
  expect(await runJob(app, { project_id: 'none' })).toMatchObject({ status: 'succeeded', result: undefined });
});

test('a secret of digits does not tear a result apart', async () => {
  const app = await createJobApp('echo "{\\"n\\": 123456, \\"t\\": \\"123456\\"}" > "$DOE_RESULT_FILE"', {
    frontMatter: 'secrets: [MY_PIN]',
    settings: { MY_PIN: '123456' },
  });
  await trustAll(app);
  expect((await runJob(app)).result).toEqual({ n: 123456, t: '[redacted]' });
});

test('progress is set and not logged', async () => {
  const app = await createJobApp('echo "::progress:: 40 uploading"; echo "::progress:: 999"');
  const task = await runJob(app);
  expect(task).toMatchObject({ progress: 40, progressText: 'uploading' });
  expect((await logOf(app, task.id)).filter((line) => line.includes('progress'))).toEqual(['stdout ::progress:: 999']);
});

test('a flood of output costs log lines, not the run', async () => {
  const app = await createJobApp('yes 0123456789 | head -c 5000000; head -c 200000 /dev/urandom; exit 0');
  const task = await runJob(app);
  expect(task.status).toBe('succeeded');
  const bytes = (await logOf(app, task.id)).reduce((sum, line) => sum + Buffer.byteLength(line) - 6, 0);
  expect(bytes).toBeLessThan(1.5 * 1024 * 1024);
});

test('a run leaves no scratch folder', async () => {
  const app = await createJobApp('echo "$DOE_RESULT_FILE"');
  const task = await runJob(app);
  const [file = ''] = (await logOf(app, task.id))
    .filter((line) => line.startsWith('stdout'))
    .map((line) => line.slice(7));
  expect(existsSync(join(file, '..'))).toBe(false);
  const [run] = await app.dispatcher.store.tasks.runs(task.id);
  expect(readdirSync(tmpdir()).filter((name) => name.includes(run?.id ?? ''))).toEqual([]);
});

test('a sandbox’s way out is closed also where its run breaks off', async () => {
  let failed = (_: string) => {};
  const breaksOff = new Promise<string>((resolve) => (failed = resolve));
  const log: Log = { ...silentLog, error: (event) => failed(event) };
  const home = temporaryFolder();
  writeFiles(home, { 'bin/bwrap': '#!/bin/sh\necho ok\n' });
  chmodSync(join(home, 'bin/bwrap'), 0o755);
  const settings = { PATH: `${join(home, 'bin')}:${process.env.PATH}` };
  const app = await createJobApp('exit 0', { home, settings, log, frontMatter: 'sandbox: bwrap' });
  app.dispatcher.store.tasks.spawned = () => {
    throw new Error('broken');
  };
  const listen = vi.spyOn(Server.prototype, 'listen');
  onTestFinished(() => listen.mockRestore());
  const { task_id } = await createJob(app);
  await approve(app, task_id);
  expect(await breaksOff).toBe('run.failed');
  const ways = listen.mock.contexts.filter((_, call) => String(listen.mock.calls[call]?.[0]).endsWith('doe.sock'));
  expect(ways.map((server) => (server as Server).listening)).toEqual([false]);
});

test('python3 is asked once which program it is, however many scripts run', async () => {
  const app = await createJobApp('', {
    files: { 'directives/job.md': '---\ntitle: T\n---\n', 'execution/job.py': 'import sys; print(sys.executable)' },
    start: false,
  });
  const shims = join(app.home, 'shims');
  mkdirSync(shims);
  writeFileSync(
    join(shims, 'python3'),
    `#!/bin/sh\necho asked >> ${shims}/count\nPATH=\${PATH#*:} exec python3 "$@"\n`,
  );
  chmodSync(join(shims, 'python3'), 0o755);
  const other = await createJobApp('', {
    home: app.home,
    files: {},
    settings: { PATH: `${shims}:${process.env.PATH}` },
  });
  const one = await runJob(other);
  await runJob(other);
  expect(one.status).toBe('succeeded');
  expect(readFileSync(join(shims, 'count'), 'utf8')).toBe('asked\n');
});

test('a script asks the process that started it, whatever MCP_URL is set to', async () => {
  const app = await createJobApp('echo "asks $MCP_URL"', { settings: { MCP_URL: 'http://127.0.0.1:9' } });
  const task = await runJob(app);
  const line = (await logOf(app, task.id)).find((text) => text.startsWith('stdout asks'));
  expect(line).toMatch(/^stdout asks http:\/\/127\.0\.0\.1:\d{2,}$/);
});

test('an untrusted directive gets no address of a database, under whatever name it stands', async () => {
  const app = await createJobApp('echo "$MY_STORE|$CACHE|$SITE"', {
    frontMatter: 'env: [MY_STORE, CACHE, SITE]',
    settings: {
      MY_STORE: ' postgresql+psycopg2://app:hunter-2000@db.example/app',
      CACHE: 'rediss://cache.example:6380',
      SITE: 'https://acme.example',
    },
  });
  const task = await runJob(app);
  expect(await logOf(app, task.id)).toEqual([
    'system Attempt 1 of 1: job.sh',
    'system MY_STORE is not passed on: it holds the address of a database, which is no plain setting.',
    'system CACHE is not passed on: it holds the address of a database, which is no plain setting.',
    'stdout ||https://acme.example',
    'system succeeded',
  ]);
});

test('the password of a proxy that is passed on stands in no log, result or reason', async () => {
  const password = 'pr0xy%2Fpass';
  const app = await createJobApp(
    `echo "$HTTPS_PROXY"; echo "${decodeURIComponent(password)}" >&2; printf %s 'jen:pr0xy/pass' | base64
     printf '"%s"' "$HTTPS_PROXY" > "$DOE_RESULT_FILE"; echo "${password}" >&2; exit 1`,
    { frontMatter: 'env: [HTTPS_PROXY]', settings: { HTTPS_PROXY: `http://jen:${password}@proxy:3128` } },
  );
  const task = await runJob(app);
  const all = JSON.stringify([task.result, task.statusReason, await logOf(app, task.id)]);
  expect(all).toContain('[redacted]@proxy:3128');
  expect(all).not.toMatch(/pr0xy|amVuOnByMHh5/);
});
