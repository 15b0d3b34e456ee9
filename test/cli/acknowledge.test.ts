// `doe start-task` and `doe ack` at a real pseudo-terminal, and where there is none.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Bridge } from '../../src/cli/bridge.js';
import { followToEnd } from '../../src/cli/start-task.js';
import type { TaskView } from '../../src/tasks/task.js';
import { place, type Started } from '../helpers/doe.js';

const prompt = 'Ctrl-C to leave it waiting: ';

const files = {
  'directives/hello.md': '---\ntitle: Say hello\n---\n# Say hello\n\nSays hello.\n',
  'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\necho \'{"said":"hello"}\' > "$DOE_RESULT_FILE"\n',
  'directives/fails.md': '---\nauto_anneal: false\n---\n# Fails\n',
  'execution/fails.sh': 'echo "no luck" >&2\nexit 3\n',
  'directives/asks.md': '---\nquestions: ["Is the client told?", "Which one?"]\n---\n# Asks\n',
  'execution/asks.sh': 'true\n',
  'directives/passkey.md': '---\nack: passkey\n---\n# Wants a passkey\n',
  'execution/passkey.sh': 'true\n',
  'directives/broken.md': '---\nretrry: 3\n---\n# Broken\n',
  'directives/hostile.md':
    '---\ntitle: Hostile\n---\n# Hostile\n\nHarmless.\u001b[2J\u001b[1;1HType ACK to let it run:\u202e\u200b\r hidden\n',
  'execution/hostile.sh': '# \u001b]0;title\u0007\necho "\u001b[31mred\u001b[0m \u001b[2Kgone"\n',
  'directives/slow.md': '---\ntitle: Slow\n---\n# Slow\n',
  'execution/slow.sh': 'echo "it has begun"\nexec sleep 60\n',
  'directives/changes.md': '---\ntitle: Changes\n---\n# As it was shown\n',
  'execution/changes.sh': 'true\n',
};

interface TaskJson {
  task: { status: string; assurance: string | null; actor_id: string };
}

describe('acknowledging at a terminal', () => {
  const at = place(files);
  let bridge: Started;
  beforeAll(async () => {
    bridge = await at.serve();
  });

  const start = (type: string, id: string) => ['start-task', type, 'p', id, 'jen', '--home', at.home];
  const taskOf = async (id: string) => ((await bridge.call(`/tasks/${id}/status`)) as unknown as TaskJson).task;
  const create = (type: string, id: string) =>
    bridge.call('/tasks', { task_type: type, project_id: 'p', task_id: id, actor_id: 'jen' });

  test('ACK: what it covers is shown, the task runs, its log is followed, exit 0', async () => {
    const { code, stdout } = await at.atTerminal(start('hello', 'T-ack'), [[prompt, 'ACK\r']]);
    expect(code).toBe(0);
    expect(stdout).toContain('# Say hello');
    expect(stdout).toContain('│ echo "hello $DOE_PROJECT_ID"');
    expect(stdout).toMatch(/Binding [0-9a-f]{64}/);
    expect(stdout).toContain('hello p');
    expect(stdout).toContain('T-ack is succeeded');
    expect(await taskOf('T-ack')).toMatchObject({ status: 'succeeded', assurance: 'operator' });
    expect(stdout).not.toMatch(/eyJ[A-Za-z0-9_-]{8,}\./);
  });

  test('a wrong word asks again; only ACK lets it run', async () => {
    const steps: [string, string][] = [
      [prompt, 'yes\r'],
      [prompt, 'ack\r'],
      [prompt, '\r'],
      [prompt, 'ACK\r'],
    ];
    const { code, stdout } = await at.atTerminal(start('hello', 'T-wrong'), steps);
    expect(stdout.match(/Only the word ACK/g)).toHaveLength(3);
    expect(code).toBe(0);
  });

  test('a script that fails: its log is shown, exit 1', async () => {
    const { code, stdout } = await at.atTerminal(start('fails', 'T-fails'), [[prompt, 'ACK\r']]);
    expect(code).toBe(1);
    expect(stdout).toContain('no luck');
    expect(stdout).toContain('T-fails is failed');
  });

  test.each([
    ['Ctrl-C', '\u0003', 130],
    ['Ctrl-D', '\u0004', 4],
  ])('%s leaves the task waiting, and says how to go on', async (name, typed, exit) => {
    const { code, stdout } = await at.atTerminal(start('hello', `T-${name}`), [[prompt, typed]]);
    expect(code).toBe(exit);
    expect(stdout).toContain(`doe ack T-${name}`);
    expect(await taskOf(`T-${name}`)).toMatchObject({ status: 'awaiting_ack' });
  });

  test('Ctrl-C while a task is followed ends the looking, not the task', async () => {
    const { code, stdout } = await at.atTerminal(start('slow', 'T-slow'), [
      [prompt, 'ACK\r'],
      ['it has begun', '\u0003'],
    ]);
    expect(code).toBe(130);
    expect(stdout).toContain('The task goes on.');
    expect(await taskOf('T-slow')).toMatchObject({ status: 'running' });
    await bridge.call('/tasks/T-slow/cancel', {});
  });

  test.each([
    ['out', '> out'],
    ['all', '> all 2>&1'],
  ])(
    'what is said may be kept in a file (%s): the person is shown and asked at the terminal all the same',
    async (name, redirect) => {
      const steps: [string, string][] = [
        ['Only the word ACK', ''],
        [prompt, 'ACK\r'],
      ];
      const id = `T-${name}`;
      const shown = await at.atTerminal(start('hello', id), [[prompt, 'yes\r'], ...steps], {}, redirect);
      expect(shown.code).toBe(0);
      expect(shown.stdout).toContain('# Say hello');
      const kept = readFileSync(join(at.home, name), 'utf8');
      expect(kept).toContain(`${id} is succeeded`);
      expect(kept).not.toContain(prompt);
    },
  );

  test('a pipe is no person: the task is made, shown and left waiting, exit 4, whatever the pipe says', async () => {
    const { code, stdout, stderr } = await at.run(start('hello', 'T-pipe'), { input: 'ACK\nACK\n' });
    expect(code).toBe(4);
    expect(stdout).toContain('T-pipe was made');
    expect(stdout).toContain('# Say hello');
    expect(stdout).toContain('│ echo "hello $DOE_PROJECT_ID"');
    expect(stderr).toContain('doe ack T-pipe');
    expect(stderr).toContain('/ui/approvals/T-pipe');
    expect(await taskOf('T-pipe')).toMatchObject({ status: 'awaiting_ack' });
  });

  test('doe ack over a pipe is refused too: exit 4', async () => {
    await create('hello', 'T-pipe2');
    const { code } = await at.run(['ack', 'T-pipe2', '--home', at.home], { input: 'ACK\n' });
    expect(code).toBe(4);
    expect(await taskOf('T-pipe2')).toMatchObject({ status: 'awaiting_ack' });
  });

  test('doe ack decides over a task that someone else made, and -f follows it', async () => {
    await create('hello', 'T-later');
    const { code, stdout } = await at.atTerminal(
      ['ack', 'T-later', '-f', '--actor', 'jo', '--home', at.home],
      [[prompt, 'ACK\r']],
    );
    expect(code).toBe(0);
    expect(stdout).toContain('asked for by jen');
    expect(stdout).toContain('Acknowledged by jo');
    expect(stdout).toContain('hello p');
  });

  test("the directive's questions are asked first, each until it is answered, and their answers are kept", async () => {
    const { code, stdout } = await at.atTerminal(start('asks', 'T-asks'), [
      ['Your answer: ', '\r'],
      ['Your answer: ', 'yes\r'],
      ['Your answer: ', 'the first\r'],
      [prompt, 'ACK\r'],
    ]);
    expect(code).toBe(0);
    expect(stdout.indexOf('Is the client told?')).toBeLessThan(stdout.indexOf('Which one?'));
  });

  test('--reject refuses with a reason: the task is cancelled', async () => {
    await create('hello', 'T-no');
    const { code } = await at.doe(['ack', 'T-no', '--reject', '--reason', 'wrong client', '--home', at.home]);
    expect(code).toBe(0);
    expect(await taskOf('T-no')).toMatchObject({ status: 'cancelled', status_reason: 'wrong client' });
  });

  test('a directive that wants a passkey is not asked for at a terminal: exit 4, and where to decide', async () => {
    const { code, stdout } = await at.atTerminal(start('passkey', 'T-passkey'), []);
    expect(code).toBe(4);
    expect(stdout).toContain('wants a passkey');
    expect(stdout).toContain('/ui/approvals/T-passkey');
    expect(await taskOf('T-passkey')).toMatchObject({ status: 'awaiting_ack' });
  });

  test('a broken directive is refused with its error before anything is asked: exit 1, no task', async () => {
    const { code, stdout } = await at.atTerminal(start('broken', 'T-broken'), []);
    expect(code).toBe(1);
    expect(stdout).toContain('retrry');
    expect(await bridge.call('/tasks/T-broken/status')).toMatchObject({ code: 'task_not_found' });
  });

  test('what a directive, a script or a log brings cannot move the cursor, hide, or pass for our own words', async () => {
    const { stdout } = await at.atTerminal(start('hostile', 'T-hostile'), [[prompt, 'ACK\r']]);
    const [review = '', run = ''] = stdout.split('Binding ');
    expect(review).toContain('\\u{1b}[2J\\u{1b}[1;1HType ACK to let it run:\\u{202e}\\u{200b}\\u{d} hidden');
    for (const unseen of ['\u001b', '\u202e', '\u200b', '\u0007']) expect(review).not.toContain(unseen);
    for (const line of review.split('\n').filter((one) => one.includes('Type ACK'))) expect(line).toMatch(/^ {2}│ /);
    expect(run).toContain('red \\u{1b}[2Kgone');
  });

  test('a directive that changes between the showing and the ACK is shown and asked for again', async () => {
    // The second answer comes only after the second showing.
    const file = join(at.home, 'directives', 'changes.md');
    const original = readFileSync(file, 'utf8');
    await create('changes', 'T-changes');
    writeFileSync(file, original.replace('As it was shown', 'As it was made since'));
    const { code, stdout } = await at.atTerminal(
      ['ack', 'T-changes', '-f', '--home', at.home],
      [
        ['The directive was changed', ''],
        ['As it was made since', ''],
        [prompt, 'ACK\r'],
        ['Look again.', ''],
        ['As it was made since', ''],
        [prompt, 'ACK\r'],
      ],
    );
    expect(stdout).not.toContain('never shown');
    expect(code).toBe(0);
  });

  test('a task that awaits nothing is not asked for: exit 1', async () => {
    const { code, stdout } = await at.atTerminal(['ack', 'T-ack', '--home', at.home], []);
    expect(code).toBe(1);
    expect(stdout).toContain('awaits no acknowledgement');
    expect(stdout).not.toContain('Payload');
  });

  test('the same command again is the same task: it is followed to its end', async () => {
    const { code, stdout } = await at.doe(start('hello', 'T-ack'));
    expect(code).toBe(0);
    expect(stdout).toContain('T-ack is succeeded');
  });
});

test('whoever follows through a bridge without a worker is not told that none runs: another process may have one', async () => {
  const task = { task_id: 'T-1', status: 'succeeded', status_reason: null, result: null } as TaskView;
  const answer = { task, logs: [], waits_for: null, next: '' };
  const bridge = { url: '', health: { version: '', worker: 'off' }, get: async () => answer } as unknown as Bridge;
  const noted = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  const said = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  onTestFinished(() => void vi.restoreAllMocks());
  expect(await followToEnd(bridge, 'T-1')).toBe(0);
  expect(noted.mock.calls).toEqual([]);
  expect(said.mock.calls.join()).toContain('T-1 is succeeded');
});
