// One way to a running dispatcher in a test: a temporary home, a real store, a real worker, real HTTP on a free port.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { type App, type AppOptions, createApp } from '../../src/app.js';
import type { Clock } from '../../src/clock.js';
import { loadConfig } from '../../src/config.js';
import { type Log, silentLog } from '../../src/log.js';
import type { TaskStatus } from '../../src/tasks/states.js';
import type { Caller, Task } from '../../src/tasks/task.js';
import { type CallContext, invoke, type Operation } from '../../src/tools/operation.js';
import { layEmptyStore } from './empty-store.js';

export const testSecret = 'a-secret-for-tests-that-is-long-enough-0123456789';
export const operatorKey = 'jo:operator-key-for-tests-0123456789abcdef';
export const agentKey = 'agent-key-for-tests-0123456789abcdefghij';

/** The `.env` of a home whose commands find, and are known to, an app of `createTestApp` on it. */
export const appSecrets: Record<string, string> = {
  '.env': `MCP_SECRET=${testSecret}\nMCP_API_KEY=${operatorKey}\n`,
};

export const callers = {
  operator: { principal: 'operator', channel: 'http', keyId: 'op', person: 'jo' },
  agent: { principal: 'agent', channel: 'http', keyId: 'ag', person: null },
  stdio: { principal: 'agent', channel: 'stdio', keyId: null, person: null },
} as const satisfies Record<string, Caller>;

/** A clock that stands until it is moved; `monotonic` moves only forward. */
export interface TestClock extends Clock {
  advance(ms: number): void;
  /** Sets wall time alone, as a clock that jumps does. */
  jump(ms: number): void;
}

export function createTestClock(start = Date.now()): TestClock {
  let wall = start;
  let steady = 0;
  return {
    now: () => wall,
    monotonic: () => steady,
    advance(ms) {
      wall += ms;
      steady += ms;
    },
    jump(ms) {
      wall += ms;
    },
  };
}

/** A temporary folder that is gone when the test is over. */
export function temporaryFolder(name = 'doe-test-'): string {
  const folder = mkdtempSync(join(tmpdir(), name));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files by their paths under `folder`. */
export function writeFiles(folder: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

/** A directive without questions or payload that runs `execution/hello.sh`. */
export const helloHome: Record<string, string> = {
  'directives/hello.md': '---\ntitle: Say hello\nversion: 1\nretry: { count: 0 }\n---\n# Say hello\n\nSays hello.\n',
  'execution/hello.sh': 'echo "hello $DOE_PROJECT_ID"\necho \'{"said":"hello"}\' > "$DOE_RESULT_FILE"\n',
};

export interface TestAppOptions {
  /** Files of the home by their paths; default `helloHome`. */
  files?: Record<string, string>;
  /** An existing home instead of a new one. */
  home?: string;
  settings?: Record<string, string>;
  kind?: AppOptions['kind'];
  noWorker?: boolean;
  integrations?: NonNullable<AppOptions['integrations']>;
  clock?: Clock;
  log?: Log;
  /** False leaves listening and the worker to the test. */
  start?: boolean;
}

export interface TestApp extends App {
  home: string;
  /** Writes or replaces files of the home. */
  write(files: Record<string, string>): void;
  /** Calls an operation as this caller; default an operator over HTTP. */
  call<Input extends z.ZodObject, Output extends z.ZodObject>(
    operation: Operation<Input, Output>,
    input: z.input<Input>,
    caller?: Caller,
    more?: Omit<CallContext, 'caller'>,
  ): Promise<z.input<Output>>;
  /** A request to the app's own address with the operator key, or with `key`; null sends none. */
  request(path: string, init?: RequestInit & { key?: string | null; json?: unknown }): Promise<Response>;
  /** Waits, by the store's change feed, until the task is in one of the states. */
  until(taskId: string, ...states: TaskStatus[]): Promise<Task>;
}

export async function createTestApp({
  files = helloHome,
  home = temporaryFolder(),
  settings = {},
  kind = 'serve',
  start = true,
  log = silentLog,
  ...options
}: TestAppOptions = {}): Promise<TestApp> {
  writeFiles(home, files);
  mkdirSync(join(home, 'directives'), { recursive: true });
  mkdirSync(join(home, 'execution'), { recursive: true });
  layEmptyStore(home);
  const config = loadConfig(home, {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PORT: '0',
    MCP_SECRET: testSecret,
    MCP_API_KEY: operatorKey,
    MCP_AGENT_KEY: agentKey,
    ...settings,
  });
  const app = await createApp({ config, kind, log, ...options });
  onTestFinished(() => app.stop());
  if (start) await app.start();

  return Object.assign(Object.create(app) as App, {
    home,
    write: (changed: Record<string, string>) => writeFiles(home, changed),
    call: (operation, input, caller = callers.operator, more = {}) =>
      invoke(app.dispatcher, operation, input, { caller, ...more }),
    request(path, { key = operatorKey, json, ...init } = {}) {
      const headers = new Headers(init.headers);
      if (key !== null) headers.set('x-api-key', key.slice(key.indexOf(':') + 1));
      if (json !== undefined) headers.set('content-type', 'application/json');
      return fetch(`${app.address}${path}`, {
        ...init,
        method: init.method ?? (json === undefined ? 'GET' : 'POST'),
        headers,
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      });
    },
    until: (taskId, ...states) => untilStatus(app, taskId, states),
  } satisfies Omit<TestApp, keyof App>);
}

async function untilStatus({ dispatcher: { store } }: App, taskId: string, states: TaskStatus[]): Promise<Task> {
  let announce = () => {};
  let news = new Promise<void>((resolve) => (announce = resolve));
  const stop = store.watch(() => announce());
  try {
    for (;;) {
      const task = await store.tasks.get(taskId);
      if (task !== null && states.includes(task.status)) return task;
      await news;
      news = new Promise<void>((resolve) => (announce = resolve));
    }
  } finally {
    stop();
  }
}
