import { expect, it } from 'vitest';
import { acknowledge, createTask, listTrust, taskStatus, trustItems } from '../../src/tools/index.js';
import { createTestApp } from '../helpers/test-app.js';
import { startService } from './service.js';

const script = `
const call = async (name, action, input) => {
  const response = await fetch(process.env.MCP_URL + '/integrations/' + name + '/' + action, {
    method: 'POST',
    headers: { authorization: 'Bearer ' + process.env.DOE_RUN_KEY, 'content-type': 'application/json' },
    body: JSON.stringify(input),
  });
  return { status: response.status, ...(await response.json()) };
};
const { writeFileSync } = await import('node:fs');
const answers = [
  await call('n8n', 'trigger', { data: { lead: 'Ada' } }),
  await call('n8n', 'executions', {}),
  await call('n8n', 'trigger', { path: '../x' }),
  await call('n8n', 'erase', {}),
  await call('airtable', 'list', { table: 'Leads' }),
];
const seen = Object.keys(process.env).filter((name) => name.startsWith('N8N'));
writeFileSync(process.env.DOE_RESULT_FILE, JSON.stringify({ answers, seen }));
`;

it('a script calls the integrations that its trusted directive names, and holds no key of theirs', async () => {
  const n8n = await startService(() => ({ json: { message: 'Workflow was started' } }));
  const app = await createTestApp({
    files: {
      'directives/tell.md': '---\nretry: { count: 0 }\nintegrations: [n8n]\n---\n# Tell\n',
      'execution/tell.mjs': script,
    },
    settings: { N8N_WEBHOOK_URL: `${n8n.url}/webhook/very-secret-id`, N8N_WEBHOOK_AUTH: 'X-Key: the-header-secret' },
  });
  const { items } = await app.call(listTrust, {});
  await app.call(trustItems, {
    items: items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 })),
  });
  const { task_id } = await app.call(createTask, { task_type: 'tell', project_id: 'demo', actor_id: 'ada' });
  await app.call(acknowledge, { task_id, actor_id: 'ada' });
  await app.until(task_id, 'succeeded', 'failed', 'needs_anneal');
  const { task, logs } = await app.call(taskStatus, { task_id });
  const { answers, seen } = task.result as { answers: Record<string, unknown>[]; seen: string[] };
  expect(answers.map(({ status, code }) => [status, code])).toEqual([
    [200, undefined],
    [503, 'not_configured'],
    [400, 'invalid_input'],
    [404, 'not_found'],
    [403, 'not_allowed'],
  ]);
  expect(JSON.stringify(answers[0])).toContain('Workflow was started');
  expect(seen).toEqual([]);
  expect(n8n.sent).toHaveLength(1);
  expect(n8n.sent[0]).toMatchObject({ path: '/webhook/very-secret-id', headers: { 'x-key': 'the-header-secret' } });
  const told = logs.map(({ text }) => text);
  expect(told.filter((text) => text.startsWith('n8n '))).toEqual([
    expect.stringMatching(/^n8n trigger: ok after \d+ ms$/),
    expect.stringMatching(/^n8n executions: not_configured after \d+ ms$/),
    expect.stringMatching(/^n8n trigger: invalid_input after \d+ ms$/),
    expect.stringMatching(/^n8n erase: not_found after \d+ ms$/),
  ]);
  expect(JSON.stringify([task, logs])).not.toMatch(/very-secret-id|the-header-secret/);
});
