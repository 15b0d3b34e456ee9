import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { acknowledge, createTask } from '../../src/tools/index.js';
import { place } from '../helpers/doe.js';
import { appSecrets, createTestApp } from '../helpers/test-app.js';

describe('doe new directive', () => {
  test('one in each language runs as it is, from the first ACK', async () => {
    const at = place({ 'directives/notes.md': '# Notes\n', 'execution/notes.txt': '', ...appSecrets });
    const languages = ['python', 'node', 'shell'];
    for (const language of languages) {
      const made = await at.doe(['new', 'directive', `in-${language}`, '--language', language, '--home', at.home]);
      expect(made.code).toBe(0);
    }
    expect((await at.doe(['directives', '--check', '--home', at.home])).code).toBe(0);
    const app = await createTestApp({ home: at.home, files: {} });
    for (const language of languages) {
      const by = { task_id: language, actor_id: 'me' };
      await app.call(createTask, {
        ...by,
        task_type: `in-${language}`,
        project_id: 'demo',
        payload_json: { name: 'example' },
      });
      await app.call(acknowledge, by);
      expect(await app.until(language, 'succeeded', 'needs_anneal')).toMatchObject({
        result: { done: language === 'shell' ? true : 'example' },
      });
    }
  });

  test('the front matter fits the schema that editors are given, which knows every key and its limits', async () => {
    const at = place({ 'directives/notes.md': '# Notes\n', 'execution/notes.txt': '' });
    // The built command: its templates must have come along.
    await at.run(['new', 'directive', 'my-job', '--home', at.home]);
    const read = (name: string) => readFileSync(join(at.home, 'directives', name), 'utf8');
    const schema = JSON.parse(read('front-matter.schema.json')) as object;
    const matches = new Ajv2020({ strict: false }).compile(schema);
    const frontMatter = parse(read('my-job.md').split('---\n')[1] ?? '') as object;
    expect(matches(frontMatter)).toBe(true);
    expect(matches({ ...frontMatter, 'x-note': 'mine' })).toBe(true);
    expect(matches({ ...frontMatter, retrry: 3 })).toBe(false);
    expect(matches({ ...frontMatter, timeout: 'soon' })).toBe(false);
  });

  test('nothing is overwritten, and nothing half made: exit 2', async () => {
    const at = place({ 'directives/notes.md': '# Notes\n', 'execution/my_job.py': 'mine\n' });
    const { code, stderr } = await at.doe(['new', 'directive', 'my-job', '--home', at.home]);
    expect(code).toBe(2);
    expect(stderr).toContain('execution/my_job.py');
    expect(existsSync(join(at.home, 'directives', 'my-job.md'))).toBe(false);
    expect(readFileSync(join(at.home, 'execution', 'my_job.py'), 'utf8')).toBe('mine\n');
  });

  test.each(['../evil', 'a b'])('the name %j is refused: exit 2', async (name) => {
    const at = place({ 'directives/notes.md': '# Notes\n', 'execution/notes.txt': '' });
    const { code, stderr } = await at.doe(['new', 'directive', name, '--home', at.home]);
    expect(code).toBe(2);
    expect(stderr).toContain('publish-newsletter');
  });
});
