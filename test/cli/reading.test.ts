// The commands that look, and the short ones that move: their JSON, their exit codes, and what they say when an id is wrong.
import { beforeAll, describe, expect, test } from 'vitest';
import { ended, place, type Started } from '../helpers/doe.js';

const files = {
  'directives/hello.md': '---\ntitle: Say hello\n---\n# Say hello\n',
  'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\n',
  'directives/fails.md': '---\nrequire_ack: false\n---\n# Fails\n',
  'execution/fails.sh': 'echo "no luck" >&2\nexit 3\n',
  'directives/broken.md': '---\nretrry: 3\n---\n# Broken\n',
  'directives/notes.md': '# For reading only\n',
};

describe('looking and moving', () => {
  const at = place(files);
  const doe = (...args: string[]) => at.doe([...args, '--home', at.home]);
  const json = async (...args: string[]) =>
    JSON.parse((await doe(...args, '--json')).stdout) as Record<string, unknown>;

  let bridge: Started;
  const create = (type: string, id: string, project = 'p') =>
    bridge.call('/tasks', { task_type: type, project_id: project, task_id: id, actor_id: 'jen' });

  beforeAll(async () => {
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    bridge = await at.serve();
    await create('hello', 'T-hello', 'p1');
    expect((await doe('start-task', 'fails', 'p2', 'T-fails', 'jen')).code).toBe(1);
  });

  test('tasks, filtered and paged', async () => {
    const { tasks } = await json('tasks', '--status', 'needs_anneal');
    expect(tasks).toMatchObject([{ task_id: 'T-fails', status: 'needs_anneal' }]);
    const first = await json('tasks', '--limit', '1');
    expect(first.tasks).toMatchObject([{ task_id: 'T-fails' }]);
    const second = await json('tasks', '--limit', '1', '--cursor', String(first.next_cursor));
    expect(second).toMatchObject({ tasks: [{ task_id: 'T-hello' }], next_cursor: null });
    const { stdout } = await doe('tasks', '--project', 'p1', '--type', 'hello');
    expect(stdout).toContain('T-hello');
    expect(stdout).not.toContain('T-fails');
  });

  test('a status that is none: exit 2, with those that are', async () => {
    const { code, stderr } = await doe('tasks', '--status', 'done');
    expect(code).toBe(2);
    expect(stderr).toContain('awaiting_ack');
  });

  test('to look at a failed task is done: exit 0', async () => {
    const { code, stdout } = await doe('status', 'T-fails');
    expect(code).toBe(0);
    expect(stdout).toContain('needs_anneal');
    expect(stdout).toContain('doe anneal show');
    expect(await json('status', 'T-fails')).toMatchObject({ task: { task_id: 'T-fails' }, logs: expect.any(Array) });
    expect((await doe('logs', 'T-fails', '-f')).code).toBe(0);
  });

  test('logs, whole and as JSON', async () => {
    expect((await doe('logs', 'T-fails')).stdout).toContain('no luck');
    const { logs, next_cursor } = await json('logs', 'T-fails');
    expect(logs).toEqual(expect.arrayContaining([expect.objectContaining({ stream: 'stderr', text: 'no luck' })]));
    expect(next_cursor).toBeNull();
  });

  test('logs -f waits through the acknowledgement, and ends with 1 where the task fails while it is followed', async () => {
    await create('hello', 'T-cancelled');
    const following = at.start(['logs', 'T-cancelled', '-f', '--home', at.home]);
    const end = ended(following);
    await new Promise((resolve) => following.stderr?.once('data', resolve));
    await bridge.call('/tasks/T-cancelled/cancel', { reason: 'not needed' });
    const { code, stdout, stderr } = await end;
    expect(stderr).toContain('doe ack T-cancelled');
    expect(stdout).toContain('not needed');
    expect(code).toBe(1);
  });

  test('a wrong task id: exit 2, with the nearest', async () => {
    for (const command of ['status', 'ack', 'retry']) {
      const { code, stderr } = await doe(command, 'T-helo');
      expect({ command, code }).toEqual({ command, code: 2 });
      expect(stderr).toContain('Did you mean T-hello?');
    }
  });

  test('an id that needs escaping reaches the bridge as it is, and is refused as no id', async () => {
    const { code, stderr } = await doe('status', '../health?x=1');
    expect(code).toBe(2);
    expect(stderr).toContain('task_id');
  });

  test('a wrong task type: exit 2, with the nearest', async () => {
    const { code, stderr } = await doe('start-task', 'helo', 'p', 'T-x', 'jen');
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean hello?');
  });

  test('a payload that is no JSON: exit 2', async () => {
    const { code, stderr } = await doe('start-task', 'hello', 'p', 'T-x', 'jen', '{zip: 1}');
    expect(code).toBe(2);
    expect(stderr).toContain('JSON');
  });

  test('the same id with another content: exit 1', async () => {
    const { code, stderr } = await doe('start-task', 'hello', 'p9', 'T-hello', 'jen');
    expect(code).toBe(1);
    expect(stderr).toContain('project_id');
  });

  test('cancel, retry, and what to type next', async () => {
    await create('hello', 'T-round');
    expect((await doe('cancel', 'T-round', '--reason', 'why not')).stdout).toContain('cancelled');
    const again = await doe('retry', 'T-round');
    expect(again.stdout).toContain('doe ack T-round');
    expect((await doe('retry', 'T-round')).code).toBe(1);
  });

  test('pause lets no run start until resume, and whoever follows or looks is told so', async () => {
    expect((await doe('pause')).stdout).toContain('Paused');
    const following = at.start(['start-task', 'fails', 'p', 'T-paused', 'jen', '--home', at.home]);
    const end = ended(following);
    const [told] = await new Promise<unknown[]>((resolve) =>
      following.stderr?.once('data', (...data) => resolve(data)),
    );
    expect(String(told)).toContain('The home is paused');
    expect(await bridge.call('/tasks/T-paused/status')).toMatchObject({ task: { status: 'queued', attempts: 0 } });
    expect((await doe('status', 'T-paused')).stdout).toMatch(/^ +waits +The home is paused/m);
    expect((await doe('resume')).code).toBe(0);
    expect((await end).code).toBe(1);
  });

  test('directives without a bridge, and what --check finds: exit 1', async () => {
    const { directives, next_cursor } = await json('directives');
    expect((directives as { id: string }[]).map(({ id }) => id)).toEqual(['broken', 'fails', 'hello', 'notes']);
    expect(next_cursor).toBeNull();
    const { code, stdout } = await doe('directives', '--check');
    expect(code).toBe(1);
    expect(stdout).toContain('retrry');
    expect(stdout).toContain('1 of 4 directives cannot be used.');
  });

  test('automations are listed and run; a dry run does nothing; a wrong name is exit 2 with the nearest', async () => {
    const { automations } = await json('automations');
    expect((automations as { name: string }[]).map(({ name }) => name)).toContain('create-client-folder');
    const params = '{"client_name":"test-client"}';
    expect((await doe('run', 'create-client-folder', params, '--dry-run')).code).toBe(0);
    expect((await doe('run', 'list-clients')).stdout).toContain('"clients": []');
    expect((await doe('run', 'create-client-folder', params)).code).toBe(0);
    expect((await doe('run', 'list-clients')).stdout).toContain('test-client');
    const { code, stderr } = await doe('run', 'lst-clients');
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean list-clients?');
    expect((await doe('run', 'list-clients', '[1]')).code).toBe(2);
  });

  test('a repair: listed, shown, sent round again or dismissed', async () => {
    const { anneals } = await json('anneal', 'list', '--status', 'open');
    const { aid } = (anneals as { aid: string; task_id: string }[]).find(({ task_id }) => task_id === 'T-fails') ?? {};
    const shown = await doe('anneal', 'show', String(aid));
    expect(shown.stdout).toContain('failure.json');
    expect(shown.stdout).toContain('no luck');
    expect((await doe('anneal', 'complete', 'T-fails')).code).toBe(1);
    const { code, stdout } = await doe('anneal', 'complete', 'T-fails', '--note', 'the service is back');
    expect(code).toBe(0);
    expect(stdout).toContain('T-fails is queued');
    expect((await doe('logs', 'T-fails', '-f')).stdout).toContain('needs_anneal');
    expect((await doe('anneal', 'dismiss', 'T-fails')).stdout).toContain('failed');
    const { code: unknown, stderr } = await doe('anneal', 'show', `${aid}x`);
    expect(unknown).toBe(2);
    expect(stderr).toContain(`Did you mean ${aid}?`);
  });

  test('passkey add gives one that leads to the enrolment', async () => {
    const { stdout, code } = await doe('passkey', 'add');
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(/^http:\/\/doe\.localhost:\d+\/ui\/sign-in\?code=[\w-]+&to=\/ui\/passkeys$/);
  });

  test('open gives a link that signs in once', async () => {
    const { stdout, code } = await doe('open');
    expect(code).toBe(0);
    expect(stdout.trim()).toMatch(/^http:\/\/doe\.localhost:\d+\/ui\/sign-in\?code=[\w-]+$/);
  });

  test('colours only where a person looks and NO_COLOR does not say otherwise', async () => {
    const colour = '\u001b[3';
    expect((await doe('tasks')).stdout).not.toContain(colour);
    expect((await at.atTerminal(['tasks', '--home', at.home], [])).stdout).not.toContain(colour);
    const colourful = place();
    const { stdout } = await colourful.atTerminal(['tasks', '--home', at.home], [], { NO_COLOR: '', TERM: 'xterm' });
    expect(stdout).toContain(colour);
  });
});
