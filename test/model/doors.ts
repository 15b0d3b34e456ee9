// The ways into one program, each answering the code of a refusal or null: requests with both kinds of keys, MCP clients
// with and without a person behind them, a terminal, the process's own MCP line, and the forms of the page.
import { DispatcherError, type ErrorCode, httpStatus } from '../../src/errors.js';
import { routes } from '../../src/http-bridge/routes.js';
import type { Caller } from '../../src/tasks/task.js';
import {
  acknowledge,
  annealComplete,
  cancelTask,
  dismissAnneal,
  pause,
  resume,
  retryTask,
} from '../../src/tools/index.js';
import type { AnyOperation } from '../../src/tools/operation.js';
import { agentKey, callers, operatorKey, type TestApp } from '../helpers/test-app.js';
import { createVisitor } from '../helpers/visitor.js';
import { approving, connect, type TestClient } from '../mcp/clients.js';

export interface Door {
  name: string;
  /** Whether an acknowledgement, and a refusal, through it count. */
  acknowledges: boolean;
  rejects: boolean;
  /** Where a word is too weak it asks rather than refuses. */
  asks: boolean;
  offers(operation: AnyOperation, taskId?: string): boolean | Promise<boolean>;
  call(operation: AnyOperation, fields: Fields): Promise<string | null>;
  /** What it says where others say this code. */
  says(code: string | null): string | null;
}

type Fields = Record<string, unknown> & { task_id?: string; decision?: string; note?: string };

export async function codeOf(call: () => Promise<unknown>): Promise<string | null> {
  try {
    await call();
    return null;
  } catch (error) {
    if (error instanceof DispatcherError) return error.code;
    throw error;
  }
}

const within = (app: TestApp, caller: Caller) => (operation: AnyOperation, fields: object) =>
  codeOf(() => app.call(operation, fields, caller));

const overHttp =
  (app: TestApp, key: string): Door['call'] =>
  async (operation, { ...fields }) => {
    const route = routes.find((one) => one.operation === operation);
    const path = operation === acknowledge ? '/mcp/acknowledge' : (route?.path ?? '');
    const filled = path.replace(':id', () => String(fields.task_id));
    if (filled !== path) delete fields.task_id;
    const answer = await app.request(filled, { method: 'POST', json: fields, key });
    const said = (await answer.json()) as { ok: boolean; code?: string };
    return said.ok ? null : (said.code ?? 'no code');
  };

const throughMcp =
  (client: TestClient): Door['call'] =>
  async (operation, fields) => {
    const answer = await client.call(operation.name, fields);
    if (answer.isError !== true) return null;
    return (JSON.parse(answer.content[0]?.text ?? '') as { code: string }).code;
  };

/** Where the form of each operation goes, with what a person enters. */
const forms = new Map<AnyOperation, (fields: Fields, aid: string | null) => [path: string, entered: object]>([
  [
    acknowledge,
    ({ task_id, decision }) => [
      `approvals/${task_id}/${decision ?? 'approve'}`,
      decision === 'reject' ? { reason: 'not now' } : { typed: task_id },
    ],
  ],
  [cancelTask, ({ task_id }) => [`tasks/${task_id}/cancel`, {}]],
  [retryTask, ({ task_id }) => [`tasks/${task_id}/retry`, {}]],
  [annealComplete, ({ note }, aid) => [`anneals/${aid}/complete`, note === undefined ? {} : { note }]],
  [dismissAnneal, (_, aid) => [`anneals/${aid}/dismiss`, {}]],
  [pause, () => ['pause', {}]],
  [resume, () => ['resume', {}]],
]);

/** With the binding that the page showed. A refused form comes back with its status, and no code. */
async function throughPage(app: TestApp): Promise<Door['call']> {
  const visitor = createVisitor(app);
  await visitor.signIn();
  return async (operation, fields) => {
    const task = fields.task_id === undefined ? null : await app.dispatcher.store.tasks.get(fields.task_id);
    const [path, entered] = forms.get(operation)?.(fields, task?.aid ?? null) ?? ['', {}];
    const form = { ...entered, binding: task?.pins.binding ?? '' };
    let answer = await visitor.post(`/ui/${path}`, form);
    // Days pass in some sequences, and end the session.
    if (answer.status === 401 || answer.status === 403) {
      await visitor.signIn();
      answer = await visitor.post(`/ui/${path}`, form);
    }
    return answer.status === 303 ? null : String(answer.status);
  };
}

export async function openDoors(app: TestApp): Promise<Door[]> {
  const url = `${app.address}/mcp`;
  const key = operatorKey.slice(operatorKey.indexOf(':') + 1);
  const asking = await connect('2.x modern', { kind: 'http', url, key }, approving());
  const mute = await connect('2.x modern', { kind: 'http', url, key: agentKey });
  const terminal = { ...callers.operator, channel: 'terminal', keyId: null } as const;
  const usual = { asks: false, offers: () => true, says: (code: string | null) => code };
  const all = { ...usual, acknowledges: true, rejects: true };
  const none = { ...usual, acknowledges: false, rejects: false };
  // What is no tool is not offered through MCP.
  const mcp = { ...none, offers: ({ tool }: AnyOperation) => tool };
  const page = {
    ...all,
    // A task that never failed has no repair to look at.
    offers: async (operation: AnyOperation, taskId = '') =>
      forms.has(operation) &&
      (![annealComplete, dismissAnneal].some((repair) => repair === operation) ||
        (await app.dispatcher.store.tasks.get(taskId))?.aid != null),
    says: (code: string | null) => (code === null ? null : String(httpStatus(code as ErrorCode))),
  };
  return [
    { name: 'http operator', ...all, call: overHttp(app, operatorKey) },
    { name: 'http agent', ...none, call: overHttp(app, agentKey) },
    { name: 'mcp with a person', ...mcp, acknowledges: true, call: throughMcp(asking) },
    { name: 'mcp alone', ...mcp, asks: true, call: throughMcp(mute) },
    { name: 'terminal', ...all, call: within(app, terminal) },
    { name: 'stdio', ...none, call: within(app, callers.stdio) },
    { name: 'page', ...page, call: await throughPage(app) },
  ];
}
