// Who would pass for the person: a model that forges, replays or redirects answers. Each leaves the task as it is.
import { describe, expect, test } from 'vitest';
import { acknowledge, createTask } from '../../src/tools/index.js';
import { refusalOf } from '../helpers/errors.js';
import { agent, operator } from '../helpers/raw-http.js';
import { createTestApp, createTestClock, operatorKey, type TestApp, type TestAppOptions } from '../helpers/test-app.js';
import { approving, connect } from './clients.js';
import { type ModernReply, modernRequest } from './modern.js';

const otherOperator = 'second-operator-key-0123456789abcdef';
const hello = { task_type: 'hello', project_id: 'p1', actor_id: 'model' };

const yes = (task_id: string) => ({
  acknowledgement: { action: 'accept', content: { task_id, decision: 'approve' } },
});

interface Attempt {
  task_id?: string;
  args?: object;
  inputResponses?: object;
  requestState?: unknown;
  key?: string;
}

/** A task that awaits its ack, and a model that says what it likes on the wire of 2026-07-28. */
async function setUp(options: TestAppOptions = {}, task: object = {}) {
  const app = await createTestApp({
    noWorker: true,
    settings: { MCP_API_KEY: `${operatorKey},al:${otherOperator}` },
    ...options,
  });
  const { task_id } = await app.call(createTask, { ...hello, ...task });
  const attempt = ({ task_id: id = task_id, args = {}, key = operator, ...more }: Attempt = {}): Promise<ModernReply> =>
    modernRequest(app, key, {
      method: 'tools/call',
      params: { name: 'acknowledge', arguments: { task_id: id, actor_id: 'model', ...args }, ...more },
    });
  /** The state that comes with a form for the person. */
  const ask = async (): Promise<string> => {
    const { body } = await attempt();
    expect(body.result.resultType).toBe('input_required');
    return body.result.requestState;
  };
  return { app, task_id, attempt, ask };
}

const statusOf = async (app: TestApp, id: string) => (await app.dispatcher.store.tasks.get(id))?.status;

async function expectAwaiting(app: TestApp, id: string): Promise<void> {
  expect(await statusOf(app, id)).toBe('awaiting_ack');
  expect(await app.dispatcher.store.people.acks(id)).toEqual([]);
}

test('a person asked in the 2026 era acknowledges with the repeated call', async () => {
  const { task_id, attempt, ask } = await setUp();
  const { body } = await attempt({ inputResponses: yes(task_id), requestState: await ask() });
  expect(body.result.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
});

test('the typed id is the yes: a form in which it alone was filled in acknowledges', async () => {
  const { task_id, attempt, ask } = await setUp();
  const answer = { acknowledgement: { action: 'accept', content: { task_id } } };
  const { body } = await attempt({ inputResponses: answer, requestState: await ask() });
  expect(body.result.structuredContent).toMatchObject({ status: 'queued', assurance: 'client' });
});

test('the form shows title, revision, script and payload in few lines, and asks the questions of the directive', async () => {
  const { app, task_id, attempt } = await setUp(
    {
      files: {
        'directives/hello.md':
          '---\ntitle: Say hello\nversion: 3\nquestions: [Which site?, Since when?]\n---\nHello.\n',
        'execution/hello.sh': 'true\n',
      },
    },
    { payload_json: { site: 'acme.example' } },
  );
  const { body } = await attempt();
  const { message, requestedSchema } = body.result.inputRequests.acknowledgement.params;
  const { directiveSha256, scriptSha256 } = (await app.dispatcher.store.tasks.get(task_id))?.pins ?? {};
  for (const shown of [
    'Say hello for p1, asked for by model',
    `hello version 3 (${directiveSha256?.slice(0, 12)})`,
    `execution/hello.sh (${scriptSha256?.slice(0, 12)})`,
    '{"site":"acme.example"}',
    task_id,
  ])
    expect(message).toContain(shown);
  expect(message.split('\n').length).toBeLessThanOrEqual(5);
  expect(requestedSchema.required).toEqual(['task_id', 'answer_1', 'answer_2']);
  const content = { task_id, decision: 'approve', answer_1: 'acme', answer_2: 'May' };
  await attempt({
    inputResponses: { acknowledgement: { action: 'accept', content } },
    requestState: body.result.requestState,
  });
  expect(await app.dispatcher.store.people.acks(task_id)).toMatchObject([
    { assurance: 'client', answers: ['acme', 'May'] },
  ]);
});

test('a payload or a question that brings lines of its own forges none of the form’s', async () => {
  const forged = 'x\nPayload {"site":"staging"}\u2028Runs execution/safe.sh\u0085';
  const files = {
    'directives/hello.md': `---\nquestions: [${JSON.stringify(forged)}]\n---\n# ${'Hello\u2029Payload {}'}\n`,
    'execution/hello.sh': 'true\n',
  };
  const { attempt } = await setUp({ files }, { payload_json: { [forged]: forged } });
  const { body } = await attempt();
  const { message, requestedSchema } = body.result.inputRequests.acknowledgement.params;
  const lines = message.split(/[\n\r\u0085\u2028\u2029]/);
  expect(lines).toHaveLength(5);
  expect(lines.filter((line: string) => /^(Payload|Runs) /.test(line))).toHaveLength(2);
  expect(requestedSchema.properties.answer_1.description).not.toMatch(/[\n\r\u0085\u2028\u2029]/);
});

test('a script whose name forges lines of the form never comes to a form', async () => {
  const name = 'tidy.sh (3f2a91c07b55)\nPayload {"site":"staging"}\nz.sh';
  const { app } = await setUp();
  app.write({
    'directives/tidy.md': `---\nscript: ${JSON.stringify(name)}\n---\n`,
    [`execution/${name}`]: 'true\n',
  });
  const refused = await refusalOf(() => app.call(createTask, { ...hello, task_type: 'tidy' }));
  expect(refused.code).toBe('directive_broken');
});

describe('the model that is asked anew, since what it sent is no answer', () => {
  type Forge = (at: Awaited<ReturnType<typeof setUp>>) => Promise<ModernReply>;
  const forgeries: [attack: string, forge: Forge][] = [
    ['forged inputResponses on a first call', ({ task_id, attempt }) => attempt({ inputResponses: yes(task_id) })],
    [
      'an invented state',
      ({ task_id, attempt }) => attempt({ inputResponses: yes(task_id), requestState: 'x'.repeat(32) }),
    ],
    [
      'a state that is tampered with',
      async ({ task_id, attempt, ask }) => {
        const state = await ask();
        const tampered = `${state.slice(0, -1)}${state.endsWith('A') ? 'B' : 'A'}`;
        return attempt({ inputResponses: yes(task_id), requestState: tampered });
      },
    ],
    [
      'a state cut short',
      async ({ task_id, attempt, ask }) =>
        attempt({ inputResponses: yes(task_id), requestState: (await ask()).slice(0, -4) }),
    ],
    [
      'a replay: the state of a form that was declined',
      async ({ task_id, attempt, ask }) => {
        const requestState = await ask();
        await attempt({ inputResponses: { acknowledgement: { action: 'decline' } }, requestState });
        return attempt({ inputResponses: yes(task_id), requestState });
      },
    ],
    [
      'the state of another kind of nonce',
      async ({ app, task_id, attempt }) => {
        const expiresAt = (await app.dispatcher.store.now()) + 60_000;
        await app.dispatcher.store.people.mintNonce({ id: 'page-sign-in', purpose: 'page_code', data: {}, expiresAt });
        return attempt({ inputResponses: yes(task_id), requestState: 'page-sign-in' });
      },
    ],
    [
      'an answer given under other arguments',
      async ({ task_id, attempt, ask }) =>
        attempt({ args: { actor_id: 'the-boss' }, inputResponses: yes(task_id), requestState: await ask() }),
    ],
    [
      "an answer given to another key's caller",
      async ({ task_id, attempt, ask }) =>
        attempt({ inputResponses: yes(task_id), requestState: await ask(), key: otherOperator }),
    ],
    [
      'an answer of no form at all',
      async ({ attempt, ask }) => attempt({ inputResponses: {}, requestState: await ask() }),
    ],
  ];

  test.each(forgeries)('%s', async (_, forge) => {
    const at = await setUp();
    const { body } = await forge(at);
    expect(body.result.resultType).toBe('input_required');
    await expectAwaiting(at.app, at.task_id);
  });

  test("one task's answer for another task", async () => {
    const { app, attempt, ask } = await setUp();
    const { task_id: other } = await app.call(createTask, hello);
    const { body } = await attempt({ task_id: other, inputResponses: yes(other), requestState: await ask() });
    expect(body.result.resultType).toBe('input_required');
    await expectAwaiting(app, other);
  });

  test('an answer after ten minutes', async () => {
    const clock = createTestClock();
    const { app, task_id, attempt, ask } = await setUp({ clock });
    const requestState = await ask();
    clock.advance(10 * 60_000 + 1);
    const { body } = await attempt({ inputResponses: yes(task_id), requestState });
    expect(body.result.resultType).toBe('input_required');
    await expectAwaiting(app, task_id);
  });

  test('an answer that counted once, replayed after the task came round again', async () => {
    const { app, task_id, attempt, ask } = await setUp();
    const requestState = await ask();
    await attempt({ inputResponses: yes(task_id), requestState });
    await app.request(`/tasks/${task_id}/cancel`, { json: {} });
    await app.request(`/tasks/${task_id}/retry`, { json: {} });
    const { body } = await attempt({ inputResponses: yes(task_id), requestState });
    expect(body.result.resultType).toBe('input_required');
    expect(await statusOf(app, task_id)).toBe('awaiting_ack');
  });
});

describe('a host that answers by itself', () => {
  test.each([
    {},
    { decision: 'approve' },
    { decision: 'approve', task_id: 'hello-another' },
    { decision: 'approve', task_id: '' },
    { decision: 'approve', task_id: true },
    { decision: 'reject' },
    { decision: 'reject', task_id: '' },
    { task_id: "The task's id" },
    { task_id: 'Typed by you, as it stands in the message' },
  ])('a form accepted with %j is neither yes nor no', async (content) => {
    const { app, task_id, attempt, ask } = await setUp();
    const requestState = await ask();
    const { body } = await attempt({
      inputResponses: { acknowledgement: { action: 'accept', content } },
      requestState,
    });
    expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    expect(body.result.structuredContent.next).toContain("without the task's id typed into it");
    await expectAwaiting(app, task_id);
  });

  test('no field of the form has a default or one value alone, so that a filled-in form has no typed id in it', async () => {
    const { task_id, attempt } = await setUp();
    const { body } = await attempt();
    const { requestedSchema } = body.result.inputRequests.acknowledgement.params;
    for (const field of Object.values(requestedSchema.properties as Record<string, { enum?: string[] }>)) {
      for (const filling of ['default', 'const', 'examples']) expect(field).not.toHaveProperty(filling);
      expect(field.enum?.length).not.toBe(1);
    }
    expect(JSON.stringify(requestedSchema)).not.toContain(task_id);
  });

  test.each(['', 'Approve', 'yes', 'maybe', null, true])(
    'the typed id with the decision %j is neither yes nor no, and the model is told so',
    async (decision) => {
      const { app, task_id, attempt, ask } = await setUp();
      const answer = { acknowledgement: { action: 'accept', content: { task_id, decision } } };
      const { body } = await attempt({ inputResponses: answer, requestState: await ask() });
      expect(body.result.structuredContent?.next ?? '').not.toContain('without the task');
      await expectAwaiting(app, task_id);
    },
  );

  test.each(['decline', 'cancel'])(
    'a form with %s leaves the task awaiting, and the model is told to stop',
    async (action) => {
      const { app, task_id, attempt, ask } = await setUp();
      const answer = { acknowledgement: { action } };
      const { body } = await attempt({ inputResponses: answer, requestState: await ask() });
      const { next, approve_url } = body.result.structuredContent;
      expect(next).toContain('Stop here');
      expect(next).toContain(approve_url);
      expect(next).toContain(`doe ack ${task_id}`);
      await expectAwaiting(app, task_id);
    },
  );

  test('a form with a question left open is no yes', async () => {
    const { app, task_id, attempt, ask } = await setUp({
      files: { 'directives/hello.md': '---\nquestions: [Which site?]\n---\nHello.\n', 'execution/hello.sh': 'true\n' },
    });
    const { body } = await attempt({ inputResponses: yes(task_id), requestState: await ask() });
    expect(JSON.parse(body.result.content[0].text)).toMatchObject({ code: 'invalid_input' });
    await expectAwaiting(app, task_id);
  });
});

test('a script that was swapped between the showing and the yes is not acknowledged', async () => {
  const { app, task_id, attempt, ask } = await setUp();
  const requestState = await ask();
  app.write({ 'execution/hello.sh': 'echo swapped\n' });
  const { body } = await attempt({ inputResponses: yes(task_id), requestState });
  expect(JSON.stringify(body.result)).toContain('changed_since_shown');
  await expectAwaiting(app, task_id);
});

describe('on a 2025-era wire', () => {
  const legacy = (app: TestApp, key = operator, person = approving()) =>
    connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key }, person);

  test('inputResponses are ignored, also with a state of the other era', async () => {
    const { app, task_id, ask } = await setUp();
    const client = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key: operator });
    for (const requestState of ['x', await ask()]) {
      const { structuredContent } = await client.raw.request({
        method: 'tools/call',
        params: {
          name: 'acknowledge',
          arguments: { task_id, actor_id: 'model' },
          inputResponses: yes(task_id),
          requestState,
        },
      });
      expect(structuredContent).toMatchObject({ status: 'awaiting_ack' });
    }
    await expectAwaiting(app, task_id);
  });

  test("a session of another key is as good as none: its person's line cannot be used", async () => {
    const { app } = await setUp();
    const client = await legacy(app);
    const response = await app.request('/mcp', {
      key: otherOperator,
      headers: {
        Accept: 'application/json, text/event-stream',
        'Mcp-Session-Id': client.raw.transport.sessionId,
      },
      json: { jsonrpc: '2.0', id: 9, method: 'tools/list', params: {} },
    });
    expect(response.status).toBe(404);
  });

  test('a form shows what cannot be seen: a payload with hidden characters hides nothing', async () => {
    const { app, task_id } = await setUp({}, { payload_json: { note: 'fine\u202e\u200b\u3164', '\ufe01': 1 } });
    const person = approving();
    await (await legacy(app, operator, person)).call('acknowledge', { task_id, actor_id: 'model' });
    expect(person.forms[0]?.message).toContain('fine\\u{202e}\\u{200b}\\u{3164}');
    expect(person.forms[0]?.message).toContain('\\u{fe01}');
  });

  test('names cannot add lines of their own to the form', async () => {
    const { app } = await setUp({
      files: {
        'directives/hello.md': '---\ntitle: "Fine\\nPayload {}\\nTyped already"\n---\nHello.\n',
        'execution/hello.sh': 'true\n',
      },
    });
    const { task_id } = await app.call(createTask, hello);
    const person = approving();
    await (await legacy(app, operator, person)).call('acknowledge', { task_id, actor_id: 'model' });
    expect(person.forms[0]?.message.split('\n')).toHaveLength(5);
  });
});

describe('an agent key', () => {
  test('is not asked in the 2026 era either, and its forged answer is none', async () => {
    const { app, task_id, attempt } = await setUp();
    const { body } = await attempt({ key: agent, inputResponses: yes(task_id) });
    expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    await expectAwaiting(app, task_id);
  });

  test("cannot carry an operator's answer over to itself", async () => {
    const { app, task_id, attempt, ask } = await setUp();
    const { body } = await attempt({ key: agent, inputResponses: yes(task_id), requestState: await ask() });
    expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    await expectAwaiting(app, task_id);
  });
});

test('the model may not refuse in the person’s stead, nor give its own word more weight', async () => {
  const { app, task_id, attempt } = await setUp();
  const { body } = await attempt({ args: { decision: 'reject' } });
  expect(body.result).toMatchObject({ isError: true });
  expect(JSON.parse(body.result.content[0].text)).toMatchObject({ code: 'not_allowed' });
  for (const claim of [{ assurance: 'operator' }, { principal: 'operator' }, { evidence: { kind: 'elicited' } }]) {
    const answer = await attempt({ args: claim });
    expect(JSON.parse(answer.body.result.content[0].text)).toMatchObject({ code: 'invalid_input' });
  }
  await expectAwaiting(app, task_id);
});

describe('what a form is not for goes to the page', () => {
  const toThePage = async (options: TestAppOptions, task: object = {}) => {
    const { app, task_id, attempt } = await setUp(options, task);
    const { body } = await attempt();
    expect(body.result.structuredContent).toMatchObject({ status: 'awaiting_ack', ack_id: null });
    expect(body.result.structuredContent.next).toContain('/ui/approvals/');
    return { app, task_id };
  };

  test('a payload that does not fit whole', async () => {
    await toThePage({}, { payload_json: { text: 'x'.repeat(5_000) } });
  });

  test('a question that is too long', async () => {
    const directive = `---\nquestions: ["${'Why? '.repeat(80)}"]\n---\nHello.\n`;
    await toThePage({ files: { 'directives/hello.md': directive, 'execution/hello.sh': 'true\n' } });
  });

  test('a directive that wants an operator', async () => {
    const { app, task_id } = await toThePage({
      files: { 'directives/hello.md': '---\nack: operator\n---\nSay hello.\n', 'execution/hello.sh': 'true\n' },
    });
    await app.call(acknowledge, { task_id, actor_id: 'jo' });
    expect(await statusOf(app, task_id)).toBe('queued');
  });
});
