// A model that waits sees the run move: progress that only grows, with the script's own latest words.
import { describe, expect, test } from 'vitest';
import { createTestApp, operatorKey, type TestApp } from '../helpers/test-app.js';
import { approving, connect, type Progress, sdks, type TestClient } from './clients.js';

const operator = operatorKey.slice(operatorKey.indexOf(':') + 1);

/** Goes one step at a time, each once its gate is opened. */
const files = {
  'directives/steps.md': '---\nretry: { count: 0 }\n---\n# Steps\n',
  'execution/steps.mjs': `
import { existsSync, watch } from 'node:fs';
const gate = (name) =>
  new Promise((resolve) => {
    const look = () => existsSync('gates/' + name) && (news.close(), resolve());
    const news = watch('gates', look);
    look();
  });
console.log('\\u001b[32mfirst line\\u001b[0m');
await gate('one');
console.log('::progress:: 40 half\\u200b way');
await gate('two');
console.log('second line');
console.log('::progress:: 20 back again');
await gate('three');
console.log('::progress:: 90 nearly');
await gate('four');
process.exit(0);
`,
  'gates/.keep': '',
};

async function started(client: TestClient, app: TestApp): Promise<string> {
  const created = await client.call('create_task', { task_type: 'steps', project_id: 'p', actor_id: 'me' });
  const task_id = String(created.structuredContent?.task_id);
  await client.call('acknowledge', { task_id, actor_id: 'me' });
  await app.until(task_id, 'running', 'succeeded');
  return task_id;
}

/** Opens each gate when the words before it arrived. */
const opener = (app: TestApp, seen: Progress[]) => {
  const steps: [words: string, gate: string][] = [
    ['first line', 'one'],
    ['half way', 'two'],
    ['back again', 'three'],
    ['nearly', 'four'],
  ];
  return (progress: Progress) => {
    seen.push(progress);
    const [words, gate] = steps[0] ?? ['', ''];
    if (gate === '' || progress.message?.includes(words) !== true) return;
    steps.shift();
    app.write({ [`gates/${gate}`]: '' });
  };
};

describe.each([...sdks.map((sdk) => [sdk, 'http', '/mcp'] as const), ['1.x', 'sse', '/sse'] as const])(
  'SDK %s over %s',
  (sdk, kind, path) => {
    test('notifications grow, carry the latest words, and the answer comes with the end of the run', async () => {
      const app = await createTestApp({ files });
      const client = await connect(sdk, { kind, url: `${app.address}${path}`, key: operator }, approving());
      const task_id = await started(client, app);
      const seen: Progress[] = [];
      const answer = await client.call('task_status', { task_id, wait_seconds: 45 }, { onprogress: opener(app, seen) });
      expect(answer.structuredContent?.task).toMatchObject({ status: 'succeeded' });
      const numbers = seen.map(({ progress }) => progress);
      expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
      expect(seen.every(({ total }) => total === 100)).toBe(true);
      const said = seen.map(({ message }) => message ?? '').join('\n');
      for (const words of ['running: first line', 'half way', 'back again', 'nearly']) expect(said).toContain(words);
      for (const hidden of ['\u001b', '\u200b']) expect(said).not.toContain(hidden);
      expect(Math.max(...numbers)).toBeGreaterThanOrEqual(90);
    });
  },
);

test('without a progress token nothing is sent, and a wait that is out of bounds is refused', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await connect('2.x modern', { kind: 'http', url: `${app.address}/mcp`, key: operator });
  const created = await client.call('create_task', { task_type: 'hello', project_id: 'p', actor_id: 'me' });
  const task_id = String(created.structuredContent?.task_id);
  for (const wait_seconds of [46, -1, '5', null]) {
    const answer = await client.call('task_status', { task_id, wait_seconds });
    expect(answer.isError).toBe(true);
    expect(JSON.parse(answer.content[0]?.text ?? '')).toMatchObject({ code: 'invalid_input' });
  }
});

test('a wait ends at a change that another caller makes', async () => {
  const app = await createTestApp({ noWorker: true });
  const client = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key: operator });
  const created = await client.call('create_task', { task_type: 'hello', project_id: 'p', actor_id: 'me' });
  const task_id = String(created.structuredContent?.task_id);
  const seen: Progress[] = [];
  const cancelOnce = (progress: Progress) => {
    if (seen.push(progress) === 1) void app.request(`/tasks/${task_id}/cancel`, { json: {} });
  };
  const answer = await client.call('task_status', { task_id, wait_seconds: 45 }, { onprogress: cancelOnce });
  expect(answer.structuredContent?.task).toMatchObject({ status: 'cancelled' });
  expect(seen[0]?.message).toContain('awaiting_ack');
});
