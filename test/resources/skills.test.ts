import { SkillsClient } from '@modelcontextprotocol/client/ext/skills';
import { describe, expect, test } from 'vitest';
import { createTestApp, helloHome, operatorKey, type TestApp } from '../helpers/test-app.js';
import { connect, type Sdk } from '../mcp/clients.js';

const key = operatorKey.slice(operatorKey.indexOf(':') + 1);

async function open(app: TestApp, sdk: Sdk = '2.x modern') {
  const client = await connect(sdk, { kind: 'http', url: `${app.address}/mcp`, key });
  return { client, skills: new SkillsClient(client.raw) };
}

describe.each(['2.x legacy', '2.x modern'] as const)('SDK %s', (sdk) => {
  test('lists each task directive as a skill, and reads it against its digest', async () => {
    const app = await createTestApp({
      noWorker: true,
      files: { ...helloHome, 'directives/about.md': '# Only words\n' },
    });
    const { skills } = await open(app, sdk);
    const { skills: entries } = await skills.list();
    expect(entries.map(({ uri }) => uri)).toEqual(['skill://hello/SKILL.md']);
    const [entry] = entries;
    if (entry === undefined) throw new Error('There is no skill.');
    const directive = await app.dispatcher.directives.byId('hello');
    expect(entry.frontmatter).toMatchObject({
      name: 'hello',
      description: expect.stringContaining('Say hello'),
      metadata: { directive: 'hello', version: '1', revision: `sha256:${directive?.sha256}` },
    });
    const file = await skills.read(entry);
    expect(file.verified).toBe(true);
    expect(file.body).toContain('Says hello.');
    expect(file.body).toContain('create_task {"task_type": "hello"');
    expect((await skills.get(entry.uri)).skill).toEqual(entry);
  });

  test('says of a skill that is not there that there is none', async () => {
    const app = await createTestApp({ noWorker: true });
    const { client, skills } = await open(app, sdk);
    await expect(skills.get('skill://nothing/SKILL.md')).rejects.toMatchObject({ code: -32_602 });
    await expect(client.raw.readResource({ uri: 'skill://nothing/SKILL.md' })).rejects.toMatchObject({ code: -32_602 });
    await expect(client.raw.readResource({ uri: 'skill://hello/secret.txt' })).rejects.toMatchObject({ code: -32_602 });
  });
});

test('a directive that changes is another revision of its skill, with another digest', async () => {
  const app = await createTestApp({ noWorker: true });
  const { skills } = await open(app);
  const { skill: before } = await skills.get('skill://hello/SKILL.md');
  app.write({ 'directives/hello.md': '---\ntitle: Say hello\n---\nSays it loud.\n' });
  const { skill: after } = await skills.get('skill://hello/SKILL.md');
  expect(after.resources).not.toEqual(before.resources);
  await expect(skills.read(before)).rejects.toMatchObject({ reason: expect.stringMatching(/^(size|digest)$/) });
  expect((await skills.read(after)).body).toContain('loud');
});

test('ids that no skill may bear become names that it may, each its own', async () => {
  const task = '---\ntitle: "A: \\"quoted\\" title\\nof two lines"\n---\nWords.\n';
  const ids = ['import_site', 'import-site', 'Import.Site', `${'long-'.repeat(18)}id`];
  const app = await createTestApp({
    noWorker: true,
    files: Object.fromEntries(ids.map((id) => [`directives/${id}.md`, task])),
  });
  const { skills } = await open(app);
  const { skills: entries } = await skills.list();
  const names = entries.map(({ frontmatter }) => frontmatter.name);
  expect(names).toContain('import-site');
  expect(new Set(names).size).toBe(4);
  for (const entry of entries) expect((await skills.read(entry)).verified).toBe(true);
});

test('a directive that changes is announced also as the skill that it is', async () => {
  const app = await createTestApp({ noWorker: true });
  const { client } = await open(app, '2.x legacy');
  const announced = new Promise<string>((resolve) =>
    client.raw.setNotificationHandler('notifications/resources/updated', ({ params }: { params: { uri: string } }) =>
      resolve(params.uri),
    ),
  );
  await client.raw.subscribeResource({ uri: 'skill://hello/SKILL.md' });
  await client.raw.listResources();
  app.write({ 'directives/hello.md': '---\ntitle: Say hello\n---\nSays it louder.\n' });
  expect(await announced).toBe('skill://hello/SKILL.md');
});
