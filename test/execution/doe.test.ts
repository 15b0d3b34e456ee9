import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { writeFiles } from '../helpers/test-app.js';
import {
  type Bridge,
  makeHome,
  type Run,
  type RunOptions,
  runKey,
  runScript,
  shipped,
  startBridge,
  token,
} from './bridge.js';

const written: Record<'python' | 'node', Record<string, string>> = {
  python: {
    all: `import doe
answer = doe.validate()
print('validated', answer['task_id'])
doe.progress(40.4, 'uploading\\nthe  site')
doe.progress(250)
doe.result({'first': True})
doe.result({'payload': doe.payload(), 'text': 'größer'})`,
    validate: `import doe
doe.validate()
print('the work is done')`,
    impatient: `import doe
doe.validate(timeout=0.2)
print('the work is done')`,
    integration: `import doe
doe.validate()
answers = [doe.integration('netlify', 'deploy', {'site': 'größe'}), doe.integration('netlify', 'deploy')]
doe.result(answers)`,
    refused: `import doe
doe.validate()
try:
    doe.integration('netlify', 'deploy', {})
except doe.IntegrationError as error:
    doe.result({'code': error.code, 'hint': error.hint, 'message': str(error)})`,
    notJson: `import doe
doe.result({'ratio': float('nan')})`,
  },
  node: {
    all: `import { payload, progress, result, validate } from './doe.mjs';
const answer = await validate();
console.log('validated', answer.task_id);
progress(40.4, 'uploading\\nthe  site');
progress(250);
result({ first: true });
result({ payload: payload(), text: 'größer' });`,
    validate: `import { validate } from './doe.mjs';
await validate();
console.log('the work is done');`,
    impatient: `import { validate } from './doe.mjs';
await validate({ timeoutMs: 200 });
console.log('the work is done');`,
    integration: `import { integration, result, validate } from './doe.mjs';
await validate();
result([await integration('netlify', 'deploy', { site: 'größe' }), await integration('netlify', 'deploy')]);`,
    refused: `import { IntegrationError, integration, result, validate } from './doe.mjs';
await validate();
try {
  await integration('netlify', 'deploy', {});
} catch (error) {
  if (!(error instanceof IntegrationError)) throw error;
  result({ code: error.code, hint: error.hint ?? null, message: error.message });
}`,
    notJson: `import { result } from './doe.mjs';
result(undefined);`,
  },
};

describe.each(['python', 'node'] as const)('%s: what a script is given', (language) => {
  const [library, script] = language === 'python' ? ['doe.py', 'script.py'] : ['doe.mjs', 'script.mjs'];

  const run = (what: string, bridge: Pick<Bridge, 'url'>, options: Partial<RunOptions> = {}): Promise<Run> => {
    const home = makeHome();
    copyFileSync(join(shipped, library), join(home, 'execution', library));
    writeFileSync(join(home, 'execution', script), `${written[language][what]}\n`);
    return runScript(join(home, 'execution', script), { home, mcpUrl: bridge.url, ...options });
  };

  const expectRefused = ({ code, stdout, stderr }: Run, why: RegExp) => {
    expect(stderr).toMatch(why);
    expect(stderr).toContain('Nothing was done.');
    expect(stderr).not.toMatch(/Traceback|\n {4}at /);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).not.toContain(token);
  };

  test('it validates with the token as Bearer, never in the address, and names task and run', async () => {
    const bridge = await startBridge();
    const { code, stdout, stderr } = await run('validate', bridge);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toBe('the work is done\n');
    const [call] = bridge.calls;
    expect(bridge.calls).toHaveLength(1);
    expect(call).toMatchObject({ method: 'GET', headers: { authorization: `Bearer ${token}` } });
    expect(call?.url.pathname).toBe('/mcp/validate-ack');
    expect(Object.fromEntries(call?.url.searchParams ?? [])).toEqual({ task_id: 'T1', run_id: 'run_1' });
  });

  test('payload, progress and result are those of the run', async () => {
    const { code, stdout, result, scratch } = await run('all', await startBridge(), {
      payload: { greeting: 'Grüße', list: [1, null] },
    });
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual(['validated T1', '::progress:: 40 uploading the site', '::progress:: 100', '']);
    expect(result).toEqual({ payload: { greeting: 'Grüße', list: [1, null] }, text: 'größer' });
    expect(readdirSync(scratch)).toEqual(['result.json']);
  });

  test('a result that is no JSON value is refused and leaves no file', async () => {
    const { code, result, scratch } = await run('notJson', await startBridge());
    expect(code).toBe(1);
    expect(result).toBeUndefined();
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('started by hand, it prints the result', async () => {
    const { stdout } = await run('all', await startBridge(), { env: { DOE_RESULT_FILE: '', DOE_RUN_ID: '' } });
    expect(stdout).toContain('result: {"first"');
  });

  test('a refused token ends it with 1 before anything is done, and says why', async () => {
    const refuse = { code: 'token_expired', error: `The token ${token} is too old.`, hint: 'Get a fresh one.' };
    expectRefused(await run('validate', await startBridge({ refuse })), /T1 .*\(token_expired\).* Get a fresh one\./);
  });

  test('an answer about another task is not an answer', async () => {
    const send: Parameters<typeof startBridge>[0] = {
      send: (response) => void response.end('{"ok": true, "task_id": "T2"}'),
    };
    expectRefused(await run('validate', await startBridge(send)), /not acknowledged \(200\)/);
  });

  test.each([
    ['a page', 200, '<h1>ok</h1>'],
    ['JSON that does not say ok', 200, '{"task_id": "T1"}'],
    ['a redirect', 302, '{"ok": true, "task_id": "T1"}'],
    ['a fault', 500, 'oops'],
  ])('%s is not an acknowledgement', async (_what, status, body) => {
    const bridge = await startBridge({ send: (response) => void response.writeHead(status).end(body) });
    expectRefused(await run('validate', bridge), new RegExp(`not acknowledged \\(${status}\\)`));
  });

  test('nobody there: it ends with 1 and says so', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    expectRefused(await run('validate', { url: `http://127.0.0.1:${port}` }), /ECONNREFUSED|[Cc]onnection refused/);
  });

  test('no answer: it ends with 1 when its time is over', async () => {
    const bridge = await startBridge({ send: () => {} });
    expectRefused(await run('impatient', bridge), /timed out/);
    expect(bridge.calls).toHaveLength(1);
  });

  test('an answer that is cut off is none', async () => {
    const bridge = await startBridge({
      send: (response) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{"ok": true, "task_id": "T1"}', () => response.destroy());
      },
    });
    expectRefused(await run('validate', bridge), /cannot ask whether task T1/);
  });

  test('chunked answers, and those that end with the connection, are read whole', async () => {
    const long = 'x'.repeat(200_000);
    for (const header of [{ 'transfer-encoding': 'chunked' }, { connection: 'close' }] as Record<string, string>[]) {
      const bridge = await startBridge({
        integration: () => ({ body: { ok: true, result: { long } } }),
        send: (response, { status, body }) => {
          response.useChunkedEncodingByDefault = header.connection === undefined;
          response.writeHead(status, header);
          const text = JSON.stringify(body);
          response.write(text.slice(0, 7));
          response.end(text.slice(7));
        },
      });
      const { code, stderr, result } = await run('integration', bridge);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(result).toEqual([{ long }, { long }]);
    }
  });

  test('it speaks to an IPv6 address', async () => {
    const bridge = await startBridge({ host: '::1' }).catch(() => null);
    // Where the machine has no IPv6, the address is still understood, and nobody is there.
    if (bridge === null) return expectRefused(await run('validate', { url: 'http://[::1]:9' }), /cannot ask/);
    const { code, stderr } = await run('validate', bridge);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(bridge.calls[0]?.headers.host).toBe(new URL(bridge.url).host);
  });

  test('without a token it says how it is started', async () => {
    const { code, stderr } = await run('validate', await startBridge(), { args: [] });
    expect(code).toBe(1);
    expect(stderr).toMatch(/usage: script\.\w+ <task_id> <ack_token>/);
  });

  test('a payload that is no JSON object ends it', async () => {
    for (const text of ['[1]', '{', 'null']) {
      const { code, stderr } = await run('all', await startBridge(), { args: ['T1', token, text] });
      expect(code).toBe(1);
      expect(stderr).toMatch(/^doe: the payload (is no JSON|must be a JSON object)/);
    }
  });

  test('an integration is called with the run key, and each call is a call of its own', async () => {
    const bridge = await startBridge({
      integration: (path, input) => ({ body: { ok: true, result: { path, input } } }),
    });
    const { code, result } = await run('integration', bridge);
    expect(code).toBe(0);
    const path = '/integrations/netlify/deploy';
    expect(result).toEqual([
      { path, input: { site: 'größe' } },
      { path, input: {} },
    ]);
    const [, first, second] = bridge.calls;
    expect(first?.headers).toMatchObject({ authorization: `Bearer ${runKey}`, 'content-type': 'application/json' });
    expect(first?.headers['idempotency-key']).toBe('run_1:netlify:deploy:1');
    expect(second?.headers['idempotency-key']).toBe('run_1:netlify:deploy:2');
  });

  test('a refused integration says its code and hint, and never the key', async () => {
    const error = { code: 'not_allowed', error: `Not with ${runKey}.`, hint: 'Trust the directive.' };
    const bridge = await startBridge({ integration: () => ({ status: 403, body: { ok: false, ...error } }) });
    const { result } = await run('refused', bridge);
    expect(result).toEqual({
      code: 'not_allowed',
      hint: 'Trust the directive.',
      message: 'not_allowed: Not with …. Trust the directive.',
    });
  });

  test('an integration without a run key, or without an answer, is an error of its own', async () => {
    const alone = await run('refused', await startBridge(), { env: { DOE_RUN_KEY: '' } });
    expect(alone.result).toMatchObject({ code: 'unauthorized' });
    const bridge = await startBridge({
      send: (response, answer) => {
        if (response.req.method === 'POST') response.destroy();
        else response.end(JSON.stringify(answer.body));
      },
    });
    expect((await run('refused', bridge)).result).toMatchObject({ code: 'bridge_unreachable' });
  });
});

test('a file of execution/ does not stand in for a module of the standard library', async () => {
  const home = makeHome();
  const planted = Object.fromEntries(
    ['json', 'socket', 'zipfile', 'shutil'].map((name) => [`execution/${name}.py`, 'raise SystemExit("planted")\n']),
  );
  writeFiles(home, {
    ...planted,
    'execution/helper.py': 'WORD = "mine"\n',
    'execution/script.py': 'import doe\nimport shutil, zipfile, helper\ndoe.validate()\ndoe.result(helper.WORD)\n',
  });
  copyFileSync(join(shipped, 'doe.py'), join(home, 'execution', 'doe.py'));
  const { url: mcpUrl } = await startBridge();
  const { result, stderr } = await runScript(join(home, 'execution', 'script.py'), { home, mcpUrl });
  expect(stderr).toBe('');
  expect(result).toBe('mine');
});

test.each([
  [
    'plain.py',
    `import json, os, sys, urllib.parse, urllib.request
task_id, token = sys.argv[1], sys.argv[2]
query = urllib.parse.urlencode({'ack_token': token})
with urllib.request.urlopen(f"{os.environ['MCP_URL']}/mcp/validate-ack?{query}") as answer:
    if not json.load(answer).get('ok'):
        sys.exit(1)
print('done', json.loads(sys.argv[3])['name'])`,
  ],
  [
    'plain.mjs',
    `const [, , taskId, token, payload] = process.argv;
const answer = await fetch(\`\${process.env.MCP_URL}/mcp/validate-ack?ack_token=\${encodeURIComponent(token)}\`);
if (!(await answer.json()).ok) process.exit(1);
console.log('done', JSON.parse(payload).name);`,
  ],
])('the plain pattern needs neither library: %s', async (name, text) => {
  const home = makeHome();
  mkdirSync(join(home, 'own'));
  writeFileSync(join(home, 'own', name), `${text}\n`);
  const good = await runScript(join(home, 'own', name), {
    home,
    mcpUrl: (await startBridge()).url,
    payload: { name: 'Ada' },
  });
  expect(good).toMatchObject({ code: 0, stdout: 'done Ada\n' });
  const refused = await startBridge({ refuse: { code: 'token_spent', error: 'It is spent.' } });
  expect((await runScript(join(home, 'own', name), { home, mcpUrl: refused.url })).code).toBe(1);
});

/** A connection that is no HTTP at all. */
test('a stranger that speaks no HTTP is not believed', async () => {
  const server = createServer((socket) => void socket.end('SSH-2.0-stranger\r\n\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as { port: number };
  for (const name of ['failing_example.py', 'trigger_workflow.mjs']) {
    const run = await runScript(join(shipped, name), { home: makeHome(), mcpUrl: `http://127.0.0.1:${port}` });
    expect(run).toMatchObject({ code: 1, stdout: '' });
    expect(run.stderr).toContain('Nothing was done.');
  }
});
