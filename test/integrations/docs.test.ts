import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { knownIntegrations } from '../../src/integrations/known.js';
import { messageBody, signedHeaders } from '../../src/integrations/webhook-message.js';
import { createTask } from '../../src/tools/index.js';
import { createTestApp, temporaryFolder } from '../helpers/test-app.js';

const text = readFileSync(new URL('../../docs/integrations.md', import.meta.url), 'utf8');

const block = (language: string, holding: string): string => {
  const blocks = [...text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, code = '']) => code,
  );
  return blocks.find((code) => code.includes(holding)) ?? '';
};

it('the receiver in the documentation believes our messages, and no others', async () => {
  const path = join(temporaryFolder(), 'receiver.mjs');
  writeFileSync(path, block('js', 'isGenuine'));
  const { isGenuine } = (await import(pathToFileURL(path).href)) as {
    isGenuine(headers: Record<string, string>, body: string, secret: string): boolean;
  };
  for (const secret of ['sixteen characters', 'whsec_c2l4dGVlbiBjaGFyYWN0ZXJz']) {
    const headers = signedHeaders('id_1', '{"a":1}', secret, Date.now());
    expect(isGenuine(headers, '{"a":1}', secret)).toBe(true);
    expect(isGenuine(headers, '{"a":2}', secret)).toBe(false);
    expect(isGenuine({ ...headers, 'webhook-id': 'id_2' }, '{"a":1}', secret)).toBe(false);
    expect(isGenuine(headers, '{"a":1}', 'another secret here')).toBe(false);
    expect(isGenuine(signedHeaders('id_1', '{}', secret, Date.now() - 600_000), '{}', secret)).toBe(false);
  }
});

it('the message in the documentation has the fields of a real one', async () => {
  const app = await createTestApp({ kind: 'command', start: false });
  await app.call(createTask, { task_type: 'hello', project_id: 'acme', actor_id: 'jen' });
  const [event] = await app.dispatcher.store.ledger.changes(0, 10);
  const task = await app.dispatcher.store.tasks.get(event?.taskId ?? '');
  if (event === undefined || task === null) throw new Error('there is no task');
  const real = JSON.parse(messageBody(event, 'awaiting_ack', task, 'http://page')) as Record<string, object>;
  const shown = JSON.parse(block('json', 'task.awaiting_ack')) as Record<string, object>;
  expect(Object.keys(shown)).toEqual(Object.keys(real));
  expect(Object.keys(shown.data ?? {})).toEqual(Object.keys(real.data ?? {}));
});

it('the documentation names every action and every input of every integration', () => {
  for (const { title, actions } of knownIntegrations({ variables: {} })) {
    const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? '';
    for (const [name, { input }] of Object.entries(actions)) {
      const row = section.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? '';
      for (const field of Object.keys(input.shape))
        expect(row, `${title} ${name}`).toMatch(new RegExp(`\`${field}\\??[\`:]`));
    }
  }
});
