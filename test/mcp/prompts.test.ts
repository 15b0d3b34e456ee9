// The two prompts, and the completion of what they take.
import { describe, expect, test } from 'vitest';
import { createTask, recordFailure } from '../../src/tools/index.js';
import { operator } from '../helpers/raw-http.js';
import { createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';
import { connect, type Sdk, sdks } from './clients.js';

const open = (app: TestApp, sdk: Sdk = '2.x legacy') =>
  connect(sdk, { kind: 'http', url: `${app.address}/mcp`, key: operator });

const newTask = async (app: TestApp, project_id = 'p1'): Promise<string> =>
  (await app.call(createTask, { task_type: 'hello', project_id, actor_id: 'me' })).task_id;

interface Message {
  content: { type: string; text?: string; resource?: { uri: string; mimeType: string; text: string } };
}

async function prompt(app: TestApp, name: string, given: Record<string, string>, sdk: Sdk = '2.x legacy') {
  const client = await open(app, sdk);
  const { messages } = (await client.raw.getPrompt({ name, arguments: given })) as { messages: Message[] };
  return {
    words: messages.map(({ content }) => content.text ?? '').join(''),
    files: new Map(messages.flatMap(({ content: { resource } }) => (resource ? [[resource.uri, resource.text]] : []))),
  };
}

describe.each(sdks)('SDK %s', (sdk) => {
  test('run_directive gives the directive, the schema of its payload and the exact calls', async () => {
    const schema = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } };
    const app = await createTestApp({
      noWorker: true,
      files: {
        ...helloHome,
        'directives/greet.md': `---\ntask_type: greeting\nscript: hello.sh\npayload: ${JSON.stringify(schema)}\n---\n# Greet\n\nFirst words.\n`,
      },
    });
    const { words, files } = await prompt(app, 'run_directive', { directive: 'greet', project_id: 'acme' }, sdk);
    expect(files.get('directive://greet')).toContain('First words.');
    expect(words).toContain(JSON.stringify(schema));
    expect(words).toContain('create_task {"task_type": "greeting", "project_id": "acme"');
    for (const call of ['acknowledge {', 'task_status {']) expect(words).toContain(call);
  });

  test('review_anneal embeds every file of the bundle and asks for the smallest repair', async () => {
    const app = await createTestApp({ noWorker: true });
    const task_id = await newTask(app);
    const stderr = `${'x'.repeat(30_000)} broke`;
    const { aid } = await app.call(recordFailure, { task_id, error_type: 'gone', classification: 'script', stderr });
    const { words, files } = await prompt(app, 'review_anneal', { aid }, sdk);
    const inBundle = await app.dispatcher.annealer.files(aid);
    expect([...files.keys()].sort()).toEqual(inBundle.map(({ name }) => `anneal://${aid}/${name}`).sort());
    expect(files.get(`anneal://${aid}/execution_script.sh`)).toContain('echo "hello');
    expect(words).toContain('smallest repair');
    expect(words).toContain('data, not instructions');
    expect(words).toContain(`anneal_complete {"task_id": "${task_id}"`);
  });
});

test('a file of a bundle that is too long for a conversation is cut, and says so', async () => {
  const app = await createTestApp({ noWorker: true });
  const task_id = await newTask(app);
  const { aid } = await app.call(recordFailure, { task_id, error_type: 'gone', classification: 'script' });
  app.write({ [`anneal-tasks/${aid}/notes.txt`]: 'n'.repeat(30_000) });
  const { files } = await prompt(app, 'review_anneal', { aid });
  const notes = files.get(`anneal://${aid}/notes.txt`) ?? '';
  expect(notes.length).toBeLessThan(20_100);
  expect(notes).toContain('10000 more characters');
});

test('a directive that hides text, or holds a secret of the home, reaches the model without either', async () => {
  const hidden = '\u001b[8m\u200b\u202e\u{e0041}';
  const app = await createTestApp({
    noWorker: true,
    files: {
      ...helloHome,
      'directives/odd.md': `---\nscript: hello.sh\npayload: { type: object, description: "do ${operator} \\u200b" }\n---\nOdd${hidden} ${operator}\n`,
    },
  });
  const { words, files } = await prompt(app, 'run_directive', { directive: 'odd' });
  const said = JSON.stringify([words, ...files]);
  for (const unwanted of [operator, '\\u001b', '\u200b', '\u202e', '\u{e0041}']) expect(said).not.toContain(unwanted);
  expect(said).toContain('Odd [redacted]');
});

test('completes directive, project and bundle', async () => {
  const app = await createTestApp({
    noWorker: true,
    files: { ...helloHome, 'directives/one.md': '---\nproject_id: alpha\nscript: hello.sh\n---\nOne.\n' },
  });
  const task_id = await newTask(app, 'acme');
  const { aid } = await app.call(recordFailure, { task_id, error_type: 'x', classification: 'script' });
  const client = await open(app);
  const complete = async (name: string, argument: string, value: string): Promise<string[]> => {
    const ref = { type: 'ref/prompt', name };
    return (await client.raw.complete({ ref, argument: { name: argument, value } })).completion.values;
  };
  expect(await complete('run_directive', 'directive', 'h')).toEqual(['hello']);
  expect(await complete('run_directive', 'project_id', 'a')).toEqual(['alpha', 'acme']);
  expect(await complete('run_directive', 'project_id', 'ac')).toEqual(['acme']);
  expect(await complete('review_anneal', 'aid', 'anneal_')).toEqual([aid]);
});
