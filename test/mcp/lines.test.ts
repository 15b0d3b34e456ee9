// Which of too many lines gives way: one key's flood is its own loss, and no person who is being asked is cut off.
import { describe, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../src/log.js';
import { connectionOf } from '../../src/mcp/connection.js';
import { createLines, type Line } from '../../src/mcp/lines.js';
import { createTestClock } from '../helpers/test-app.js';

const callerOf = (keyId: string) => ({ principal: 'operator', channel: 'mcp', keyId, person: null }) as const;

function setUp() {
  const clock = createTestClock();
  const lines = createLines<Line>({ clock, log: silentLog });
  onTestFinished(() => lines.close());
  const ended: string[] = [];
  const open = async (keyId: string, { asking = false, busy = 0, stuck = false } = {}): Promise<Line> => {
    const connection = connectionOf(callerOf(keyId), 'legacy', 'a line');
    if (asking) connection.openForms.set('a task', new Promise(() => {}));
    const id = `${keyId}-${opened++}`;
    const line: Line = {
      id,
      connection,
      busy,
      usedAt: clock.monotonic(),
      async close() {
        ended.push(id);
        lines.remove(line);
        if (stuck) throw new Error('the client is gone');
      },
    };
    await lines.add(line);
    clock.advance(1);
    return line;
  };
  let opened = 0;
  const openMany = async (keyId: string, count: number, how = {}) => {
    for (let done = 0; done < count; done += 1) await open(keyId, how);
  };
  return { clock, lines, ended, open, openMany };
}

describe('where there are a hundred', () => {
  test("a key that floods pushes out its own lines, and no other key's", async () => {
    const { ended, open, openMany } = setUp();
    await open('quiet');
    await openMany('flood', 300);
    expect(ended).toHaveLength(201);
    expect(ended.every((id) => id.startsWith('flood'))).toBe(true);
  });

  test("neither does a flood of lines that listen: they give way before another key's idle one", async () => {
    const { ended, open, openMany } = setUp();
    await open('quiet');
    await openMany('flood', 100, { busy: 1 });
    expect(ended).toEqual(['flood-1']);
  });

  test('a key that comes late finds room', async () => {
    const { lines, ended, open, openMany } = setUp();
    await openMany('flood', 100);
    const late = await open('late');
    expect(ended).toEqual(['flood-0']);
    expect(await lines.find(late.id, callerOf('late'))).toBe(late);
  });

  test('of one key the line that was idle longest goes; finding one counts as use', async () => {
    const { lines, ended, open, openMany } = setUp();
    const first = await open('one', { busy: 1 });
    const second = await open('one');
    await openMany('one', 98);
    await lines.find(second.id, callerOf('one'));
    await open('one');
    expect(ended).toEqual(['one-2']);
    expect(await lines.find(first.id, callerOf('one'))).toBe(first);
  });

  test('a line whose person is being asked stays while any other is there', async () => {
    const { ended, open, openMany } = setUp();
    await open('one', { asking: true });
    await openMany('one', 99, { busy: 1 });
    await open('one');
    expect(ended).toEqual(['one-1']);
  });

  test('where every line is asking, the one that began first makes room', async () => {
    const { ended, open, openMany } = setUp();
    await openMany('one', 100, { asking: true });
    await open('one');
    expect(ended).toEqual(['one-0']);
  });
});

test("another key's line is as good as none, also once it is known", async () => {
  const { lines, open } = setUp();
  const line = await open('one');
  expect(await lines.find(line.id, callerOf('two'))).toBeNull();
  expect(await lines.find('made-up', callerOf('one'))).toBeNull();
  expect(await lines.find(line.id, callerOf('one'))).toBe(line);
});

test('a line ends half an hour after its last use, unless something on it is being answered', async () => {
  const { clock, lines, open } = setUp();
  const idle = await open('one');
  const listening = await open('one', { busy: 1 });
  clock.advance(30 * 60_000 - 2);
  expect(await lines.find(idle.id, callerOf('one'))).toBe(idle);
  clock.advance(30 * 60_000 + 1);
  expect(await lines.find(idle.id, callerOf('one'))).toBeNull();
  expect(await lines.find(listening.id, callerOf('one'))).toBe(listening);
});

test('a line that cannot be closed ends no other, and not the process', async () => {
  const { clock, lines, ended, open } = setUp();
  const stuck = await open('one', { stuck: true });
  await open('two', { stuck: true });
  await open('three');
  await lines.end(stuck);
  clock.advance(31 * 60_000);
  await open('four', { stuck: true });
  expect(ended).toEqual(['one-0', 'two-1', 'three-2']);
  await lines.close();
  expect(ended).toHaveLength(4);
});
