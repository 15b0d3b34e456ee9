import { describe, expect, test } from 'vitest';
import { acknowledge, annealComplete, createTask, reviewTask } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { callers, createTestApp, helloHome, type TestApp } from '../helpers/test-app.js';

const create = (app: TestApp, task_type: string, task_id: string, payload_json: Record<string, unknown> = {}) =>
  app.call(createTask, { task_type, project_id: 'p', actor_id: 'a', task_id, payload_json });

/** Acknowledges exactly what the review shows. */
async function run(app: TestApp, task_id: string) {
  const { binding } = await app.call(reviewTask, { task_id });
  await app.call(acknowledge, { task_id, actor_id: 'a', binding });
  return app.until(task_id, 'succeeded', 'needs_anneal');
}

describe('review_task', () => {
  test('shows directive, script and the binding that an acknowledgement must send', async () => {
    const app = await createTestApp();
    const { binding } = await create(app, 'hello', 'T1');
    const review = await app.call(reviewTask, { task_id: 'T1' });
    expect(review).toMatchObject({
      binding,
      changed: null,
      directive: { id: 'hello', content: helloHome['directives/hello.md'] },
      script: { name: 'hello.sh', text: helloHome['execution/hello.sh'] },
      fix_script: null,
      compared_with: null,
      diff: '',
    });
    expect((await run(app, 'T1')).status).toBe('succeeded');
  });

  test('secret values of the payload are not in it', async () => {
    const schema = 'payload: { type: object, properties: { password: { type: string, x-doe-secret: true } } }\n';
    const app = await createTestApp({
      files: { 'directives/hello.md': `---\n${schema}---\n# Hello\n`, 'execution/hello.sh': 'true\n' },
    });
    await create(app, 'hello', 'T1', { password: 'correct-horse' });
    expect(JSON.stringify(await app.call(reviewTask, { task_id: 'T1' }))).not.toContain('correct-horse');
  });

  test('what changed since the pins is said, and shown as it is now; looking pins nothing anew', async () => {
    const app = await createTestApp();
    const { binding } = await create(app, 'hello', 'T1');
    app.write({ 'execution/hello.sh': 'echo changed\n' });
    const review = await app.call(reviewTask, { task_id: 'T1' });
    expect(review.changed).toContain('script');
    expect(review.script.text).toBe('echo changed\n');
    expect(review.binding).not.toBe(binding);
    expect((await app.dispatcher.store.tasks.get('T1'))?.pins.binding).toBe(binding);
  });

  test('the diff is against the last success of the directive', async () => {
    const app = await createTestApp();
    await create(app, 'hello', 'T1');
    await run(app, 'T1');
    await create(app, 'hello', 'T2');
    expect(await app.call(reviewTask, { task_id: 'T2' })).toMatchObject({ compared_with: 'last_success', diff: '' });
    app.write({ 'execution/hello.sh': 'echo other\n' });
    await create(app, 'hello', 'T3');
    const { diff } = await app.call(reviewTask, { task_id: 'T3' });
    expect(diff).toContain('-echo "hello $DOE_PROJECT_ID"');
    expect(diff).toContain('+echo other');
    expect(diff).not.toContain('directives/hello.md');
  });

  test('for a repaired task it is against its own failed run; a file that the script loads is compared too', async () => {
    const app = await createTestApp({
      files: {
        'directives/fails.md': '---\ntitle: Fails\n---\n',
        'execution/fails.sh': '. execution/part\n',
        'execution/part': 'exit 1\n',
      },
    });
    await create(app, 'fails', 'T1');
    await run(app, 'T1');
    app.write({ 'execution/part': 'exit 0\n' });
    await app.call(annealComplete, { task_id: 'T1' });
    const review = await app.call(reviewTask, { task_id: 'T1' });
    expect(review.compared_with).toBe('failed_run');
    expect(review.diff).toMatch(/^Index: execution\/part\n[\s\S]*\n-exit 1\n\+exit 0\n$/);
  });

  test('a corrected payload is compared with that of the failed run, its secrets unseen', async () => {
    const app = await createTestApp({
      files: {
        'directives/fails.md':
          '---\npayload: { type: object, properties: { key: { type: string, x-doe-secret: true }, zip: { type: string, x-doe-path: true } } }\n---\n',
        'execution/fails.sh': 'exit 1\n',
        'in/a.zip': 'a',
      },
    });
    await create(app, 'fails', 'T1', { n: 1, key: 'correct-horse', zip: 'in/a.zip' });
    await run(app, 'T1');
    const repaired = async (payload_json: Record<string, unknown>) => {
      await app.call(annealComplete, { task_id: 'T1', payload_json, note: 'again' });
      const { diff } = await app.call(reviewTask, { task_id: 'T1' });
      await run(app, 'T1');
      return diff;
    };
    expect(await repaired({ n: 2, key: 'correct-horse', zip: 'in/a.zip' })).toMatch(/\n- {2}"n": 1,\n\+ {2}"n": 2,\n/);
    expect(await repaired({ n: 2, key: 'battery-staple', zip: 'in/a.zip' })).toBe(
      'payload.json differs in a secret value\n',
    );
    app.write({ 'in/a.zip': 'b' });
    expect(await repaired({ n: 2, key: 'battery-staple', zip: 'in/a.zip' })).toBe(
      'a file that the payload names differs\n',
    );
    expect(await repaired({ n: 2, key: 'battery-staple', zip: 'in/a.zip' })).toBe('');
  });

  test('what cannot be pinned any more cannot be reviewed, and the refusal says why', async () => {
    const app = await createTestApp();
    await create(app, 'hello', 'T1');
    app.write({ 'directives/hello.md': '---\nretrry: 1\n---\n' });
    const refusal = await refusalOf(() => app.call(reviewTask, { task_id: 'T1' }));
    expect(refusal.code).toBe('directive_broken');
    expect(refusal.message).toContain('T1');
  });

  test('an agent may look: it decides nothing', async () => {
    const app = await createTestApp();
    await create(app, 'hello', 'T1');
    const response = await app.request('/tasks/T1/review');
    expect(response.status).toBe(200);
    expect((await app.call(reviewTask, { task_id: 'T1' }, callers.agent)).task.task_id).toBe('T1');
  });
});
