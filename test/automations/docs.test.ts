import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { runAutomation } from '../../src/tools/automations.js';
import { listTrust, trustItems } from '../../src/tools/trust.js';
import { callers, createTestApp } from '../helpers/test-app.js';

const text = readFileSync(new URL('../../docs/automations.md', import.meta.url), 'utf8');

it('the example in the documentation is trusted and runs', async () => {
  const [, name = '', module = ''] = /```js\n\/\/ automations\/([a-z-]+)\.mjs\n([\s\S]*?)```/.exec(text) ?? [];
  const app = await createTestApp({
    files: { [`automations/${name}.mjs`]: module, 'notes.txt': 'three  words\nhere' },
    kind: 'command',
    start: false,
  });
  const { items } = await app.call(listTrust, {});
  await app.call(trustItems, {
    items: items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 })),
  });
  const run = (dryRun: boolean) =>
    app.call(runAutomation, { automation: name, params: { file: 'notes.txt' }, dryRun }, callers.agent);
  expect(await run(false)).toEqual({ result: { file: 'notes.txt', words: 3 } });
  expect(await run(true)).toEqual({ result: { would_read: 'notes.txt' } });
});

it('the request in the documentation is answered', async () => {
  const body = /POST "\$MCP_URL\/run"[\s\S]*?-d '(.*?)'/.exec(text)?.[1] ?? '';
  const app = await createTestApp({ noWorker: true });
  const response = await app.request('/run', { json: JSON.parse(body) as unknown });
  expect(await response.json()).toMatchObject({ ok: true, result: { clients: [] } });
});
