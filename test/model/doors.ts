// The ways into one program, each answering the code of a refusal or null: requests with both kinds of keys, MCP clients
// with and without a person behind them, a terminal, and the process's own MCP line.
import { DispatcherError } from '../../src/errors.js';
import { routes } from '../../src/http-bridge/routes.js';
import type { Caller } from '../../src/tasks/task.js';
import { acknowledge } from '../../src/tools/index.js';
import type { AnyOperation } from '../../src/tools/operation.js';
import { agentKey, callers, operatorKey, type TestApp } from '../helpers/test-app.js';
import { approving, connect, type TestClient } from '../mcp/clients.js';

export interface Door {
  name: string;
  /** Whether an acknowledgement, and a refusal, through it count. */
  acknowledges: boolean;
  rejects: boolean;
  /** Where a word is too weak it asks rather than refuses. */
  asks: boolean;
  call(operation: AnyOperation, fields: Record<string, unknown>): Promise<string | null>;
}

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

export async function openDoors(app: TestApp): Promise<Door[]> {
  const url = `${app.address}/mcp`;
  const key = operatorKey.slice(operatorKey.indexOf(':') + 1);
  const asking = await connect('2.x modern', { kind: 'http', url, key }, approving());
  const mute = await connect('2.x modern', { kind: 'http', url, key: agentKey });
  const terminal = { ...callers.operator, channel: 'terminal', keyId: null } as const;
  const all = { acknowledges: true, rejects: true, asks: false };
  const none = { acknowledges: false, rejects: false, asks: false };
  return [
    { name: 'http operator', ...all, call: overHttp(app, operatorKey) },
    { name: 'http agent', ...none, call: overHttp(app, agentKey) },
    { name: 'mcp with a person', ...none, acknowledges: true, call: throughMcp(asking) },
    { name: 'mcp alone', ...none, asks: true, call: throughMcp(mute) },
    { name: 'terminal', ...all, call: within(app, terminal) },
    { name: 'stdio', ...none, call: within(app, callers.stdio) },
  ];
}
