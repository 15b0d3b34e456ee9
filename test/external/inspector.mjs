// Every tool, resource and prompt through the MCP Inspector's command line, on all three transports and in both eras.
import { inPackage, modernNode, run } from './programs.mjs';

const launcher = inPackage('@modelcontextprotocol/inspector/clients/launcher/build/index.js');

const toolNames = [
  'create_task',
  'acknowledge',
  'validate_ack',
  'task_status',
  'record_failure',
  'anneal_complete',
  'list_directives',
  'read_directive',
  'list_tasks',
  'cancel_task',
  'list_automations',
  'run_automation',
];

export async function inspector(home, report) {
  const { address, key, mcp } = home;
  const http = (path) => ['--server-url', `${address}${path}`, '--header', `X-API-Key: ${key}`];
  const lines = {
    'stdio, 2025 era': { before: ['--protocol-era', 'legacy'], after: ['--', ...mcp] },
    'stdio, 2026 era': { before: ['--protocol-era', 'modern'], after: ['--', ...mcp] },
    'HTTP, 2025 era': { before: [...http('/mcp'), '--protocol-era', 'legacy'], after: [] },
    'HTTP, 2026 era': { before: [...http('/mcp'), '--protocol-era', 'modern'], after: [] },
    'HTTP+SSE': { before: [...http('/sse'), '--transport', 'sse'], after: [] },
  };
  const follow = async ([title, { before, after }]) => {
    const askAll = async (...args) => {
      const all = [launcher, '--cli', '--format', 'json', '-q', '--stored-auth-only', ...before, ...args, ...after];
      const { stdout, stderr, code } = await run(modernNode, all, { env: home.env });
      if (stdout.trim() === '') throw new Error(`It ended with ${code}: ${stderr.trim().slice(0, 500)}`);
      return stdout
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text));
    };
    await walk(askAll, async (name, step) => {
      const why = await step().then(
        (wrong) => wrong ?? null,
        (error) => error.message,
      );
      report(`Inspector, ${title}: ${name}`, why);
    });
  };
  await Promise.all(Object.entries(lines).map(follow));
}

/** Undefined where `value` is true; else what came instead. */
const expected = (holds, value) => (holds ? undefined : `Unexpected: ${JSON.stringify(value).slice(0, 500)}`);

async function walk(askAll, check) {
  const ask = async (...args) => (await askAll(...args))[0];
  const called = async (tool, args) =>
    (await ask('--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args))).result;
  /** Calls a tool and looks at its structured content. */
  const call = (tool, args, holds) =>
    check(`tools/call ${tool}`, async () => {
      const result = await called(tool, args());
      return expected(result.isError !== true && holds(result.structuredContent), result);
    });
  const read = (uri, holds) =>
    check(`resources/read ${uri().replace(/(?<=:\/\/)[^/]*\d[^/]*/, '…')}`, async () => {
      const { result } = await ask('--method', 'resources/read', '--uri', uri());
      return expected(holds(result.contents[0].text), result);
    });
  const list = (method, holds) =>
    check(method, async () => {
      const { result } = await ask('--method', method);
      return expected(holds(result), result);
    });

  await list('tools/list', ({ tools }) => toolNames.every((name) => tools.some((tool) => tool.name === name)));
  await call(
    'list_directives',
    () => ({}),
    ({ directives }) => directives.some(({ id }) => id === 'hello'),
  );
  await call(
    'read_directive',
    () => ({ id: 'hello' }),
    ({ content }) => content.includes('Says hello.'),
  );
  let taskId = '';
  const task = { task_type: 'hello', project_id: 'external', actor_id: 'inspector' };
  await call(
    'create_task',
    () => task,
    ({ task_id, status }) => {
      taskId = task_id;
      return status === 'awaiting_ack';
    },
  );
  const ofTask =
    (more = {}) =>
    () => ({ task_id: taskId, ...more });
  await call(
    'acknowledge',
    ofTask({ actor_id: 'inspector' }),
    ({ status, approve_url }) => status === 'awaiting_ack' && approve_url.includes('/ui/approvals/'),
  );
  await check('tools/call validate_ack', async () => {
    const result = await called('validate_ack', ofTask()());
    return expected(result.isError === true && result.content[0].text.includes('"ok":false'), result);
  });
  await call('task_status', ofTask(), (answer) => answer.task.status === 'awaiting_ack');
  await call(
    'list_tasks',
    () => ({ status: 'awaiting_ack' }),
    ({ tasks }) => tasks.some(({ task_id }) => task_id === taskId),
  );
  await list('resources/list', ({ resources }) => resources.some(({ uri }) => uri === 'directive://hello'));
  await list('resources/templates/list', ({ resourceTemplates }) => resourceTemplates.length >= 5);
  await read(
    () => 'directive://hello',
    (text) => text.includes('Says hello.'),
  );
  await read(
    () => `task://${taskId}`,
    (text) => JSON.parse(text).task_id === taskId,
  );
  await read(
    () => `task://${taskId}/log`,
    (text) => typeof text === 'string',
  );
  let aid = '';
  await call('record_failure', ofTask({ error_type: 'tried', classification: 'script' }), (answer) => {
    aid = answer.aid;
    return /^anneal_/.test(aid);
  });
  await read(
    () => `anneal://${aid}/README.md`,
    (text) => text.includes(taskId),
  );
  await list('prompts/list', ({ prompts }) => prompts.length === 2);
  const prompt = (name, argument) =>
    check(`prompts/get ${name}`, async () => {
      const { result } = await ask('--method', 'prompts/get', '--prompt-name', name, '--prompt-args', argument());
      return expected(result.messages.length >= 2, result);
    });
  await prompt('run_directive', () => 'directive=hello');
  await prompt('review_anneal', () => `aid=${aid}`);
  await call('anneal_complete', ofTask({ note: 'nothing was wrong' }), ({ status }) => status === 'awaiting_ack');
  await call('cancel_task', ofTask(), ({ status }) => status === 'cancelled');
  let automation = '';
  await call(
    'list_automations',
    () => ({}),
    ({ automations }) => {
      automation = automations.find(({ name }) => name === 'list-clients')?.name;
      return automation !== undefined;
    },
  );
  await call(
    'run_automation',
    () => ({ automation, params: {}, dryRun: true }),
    (answer) => 'result' in answer,
  );
  await check('skills/list, each verified', async () => {
    const skills = await askAll('--method', 'skills/list', '--verify', '--require-digests');
    const hello = skills.some(({ uri }) => uri === 'skill://hello/SKILL.md');
    return expected(hello && skills.every(({ outcome }) => outcome === 'verified'), skills);
  });
}
