// What is shipped, as the dispatcher itself reads and runs it.
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { createDirectives } from '../../src/directives/load.js';
import { asksForTrust } from '../../src/directives/policy.js';
import { silentLog } from '../../src/log.js';
import { acknowledge, annealComplete, createTask, taskStatus } from '../../src/tools/index.js';
import { createTestApp, temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { makeWithPython, shipped } from './bridge.js';

const root = dirname(shipped);
const ids = ['deploy-project', 'failing-example', 'import-site', 'sync-leads-airtable', 'trigger-workflow'];

function shippedHome(): string {
  const home = temporaryFolder('doe-home-');
  for (const folder of ['directives', 'execution']) cpSync(join(root, folder), join(home, folder), { recursive: true });
  return home;
}

const openDirectives = (home: string) => createDirectives({ home, log: silentLog });

test('every shipped directive parses, and its script is there', async () => {
  const directives = openDirectives(root);
  const list = await directives.list();
  expect(list.map((directive) => [directive.id, directive.kind === 'broken' ? directive.error : 'fine'])).toEqual(
    ids.map((id) => [id, 'fine']),
  );
  for (const directive of list) {
    if (directive.kind !== 'task') throw new Error(`${directive.id} is no task's directive`);
    expect((await directives.scriptDigest(directive)).script.name).toBe(directive.frontMatter.script);
    expect(directive.title.length).toBeLessThan(30);
    for (const heading of ['Prerequisites', 'Inputs', 'Steps', 'Outputs', 'Edge cases', 'Learnings'])
      expect(directive.body).toContain(`\n## ${heading}\n`);
  }
});

test('only those that call a service ask for trust, and none for a secret or less than a person', async () => {
  const list = await openDirectives(root).list();
  const tasks = list.flatMap((directive) => (directive.kind === 'task' ? [directive] : []));
  expect(tasks.filter(asksForTrust).map(({ id, frontMatter }) => [id, frontMatter.integrations])).toEqual([
    ['deploy-project', ['netlify']],
    ['import-site', ['netlify']],
    ['sync-leads-airtable', ['airtable']],
    ['trigger-workflow', ['n8n']],
  ]);
  for (const { frontMatter } of tasks)
    expect(frontMatter).toMatchObject({ requireAck: true, ack: 'client', secrets: [], env: [] });
});

test.each([
  ['deploy-project', { project_dir: 'project', site: 'client1' }, { site: 'client1' }],
  [
    'deploy-project',
    { project_dir: 'project', site: 's', build_command: ['npm', 'run', 'build'] },
    { build_command: 'x' },
  ],
  ['failing-example', { greeting: 'Hello' }, { greting: 'Hello' }],
  ['import-site', { zip: 'client1.zip', site_dir: 'sites/client1' }, { zip: 'missing.zip', site_dir: 'x' }],
  ['import-site', { zip: 'client1.zip', site_dir: 'x', deploy_to: 's', draft: true }, { zip: 'client1.zip', draft: 1 }],
  ['sync-leads-airtable', { csv: 'a.csv', table: 'T', fields_to_merge_on: ['E'] }, { csv: 'a.csv', table: 'T' }],
  ['trigger-workflow', { data: { any: ['thing'] }, method: 'GET' }, { method: 'PUT' }],
])('%s takes its payload, and refuses another', async (id, good, bad) => {
  const home = shippedHome();
  writeFiles(home, { 'client1.zip': 'x', 'a.csv': 'x', 'project/index.html': 'x' });
  const directives = openDirectives(home);
  const directive = await directives.find(id, 'any');
  await expect(directives.pin(directive, good)).resolves.toMatchObject({ payload: good });
  await expect(directives.pin(directive, bad as never)).rejects.toMatchObject({ code: 'invalid_payload' });
});

test('an edited script changes the digest of its own directive alone; doe.py that of every Python script', async () => {
  const home = shippedHome();
  const directives = openDirectives(home);
  const digests = async () =>
    Object.fromEntries(
      await Promise.all(
        ids.map(async (id) => [id, (await directives.scriptDigest(await directives.find(id, 'any'))).sha256]),
      ),
    ) as Record<string, string>;
  const changedBy = async (files: Record<string, string>) => {
    const before = await digests();
    writeFiles(home, files);
    const after = await digests();
    return ids.filter((id) => before[id] !== after[id]);
  };
  expect(await changedBy({ 'execution/failing_example.py': '# repaired' })).toEqual(['failing-example']);
  expect(await changedBy({ 'execution/other.py': '# new' })).toEqual([]);
  const python = ids.filter((id) => id !== 'trigger-workflow');
  expect(await changedBy({ 'execution/doe.py': '# other' })).toEqual(python);
  // A package of that name would be imported in the file's place.
  expect(await changedBy({ 'execution/doe/__init__.py': '# planted' })).toEqual(python);
});

test('import-site runs in a real dispatcher, untrusted, with an acknowledgement', async () => {
  const app = await createTestApp({ home: shippedHome(), files: {} });
  makeWithPython(
    "import sys, zipfile; zipfile.ZipFile(sys.argv[1], 'w').writestr('index.html', 'new')",
    join(app.home, 'client1.zip'),
  );
  const { task_id, binding } = await app.call(createTask, {
    task_type: 'import-site',
    project_id: 'p1',
    actor_id: 'me',
    payload_json: { zip: 'client1.zip', site_dir: 'sites/client1' },
  });
  await app.call(acknowledge, { task_id, actor_id: 'me', binding });
  await app.until(task_id, 'succeeded');
  const { task } = await app.call(taskStatus, { task_id });
  expect(task).toMatchObject({ result: { site_dir: 'sites/client1', files: 1, bytes: 3 }, progress: 100 });
  expect(readFileSync(join(app.home, 'sites/client1/index.html'), 'utf8')).toBe('new');
});

test('failing-example fails at once, says why, and succeeds when its key is spelled right', async () => {
  const app = await createTestApp({ home: shippedHome(), files: {} });
  const { task_id } = await app.call(createTask, {
    task_type: 'failing-example',
    project_id: 'p1',
    actor_id: 'me',
    payload_json: { greeting: 'Hello' },
  });
  await app.call(acknowledge, { task_id, actor_id: 'me' });
  await app.until(task_id, 'needs_anneal');
  const { task, logs } = await app.call(taskStatus, { task_id });
  expect(task.attempts).toBe(1);
  const text = logs.map((line) => line.text).join('\n');
  expect(text).toContain('the payload has the keys: greeting');
  expect(text).toContain("KeyError: 'greting'");
  const script = join(app.home, 'execution/failing_example.py');
  writeFileSync(script, readFileSync(script, 'utf8').replaceAll("['greting']", "['greeting']"));
  expect((await app.call(annealComplete, { task_id, note: 'Spelled it right.' })).status).toBe('awaiting_ack');
  await app.call(acknowledge, { task_id, actor_id: 'me' });
  expect((await app.until(task_id, 'succeeded')).result).toEqual({ message: 'Hello, world!' });
});
