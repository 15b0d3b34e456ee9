// Homes whose directives run small real scripts, and the short way from a task to its end.
import type { TaskStatus } from '../../src/tasks/states.js';
import type { Task } from '../../src/tasks/task.js';
import { acknowledge, createTask, listTrust, trustItems } from '../../src/tools/index.js';
import { createTestApp, type TestApp, type TestAppOptions } from './test-app.js';

/** A home with the one directive `job` that runs this Bash script. `frontMatter` is YAML. */
export const jobHome = (script: string, frontMatter = ''): Record<string, string> => ({
  'directives/job.md': `---\ntitle: Job\n${frontMatter}\n---\n# Job\n`,
  'execution/job.sh': script,
});

export const createJobApp = (
  script: string,
  { frontMatter = '', ...options }: TestAppOptions & { frontMatter?: string } = {},
): Promise<TestApp> => createTestApp({ files: jobHome(script, frontMatter), ...options });

/** Creates a task of `job`. */
export const createJob = async (
  app: TestApp,
  more: {
    payload_json?: object;
    task_id?: string;
    priority?: number;
    project_id?: string;
    run_after?: string;
    task_type?: string;
  } = {},
) => {
  const { payload_json, ...rest } = more;
  return app.call(createTask, {
    task_type: 'job',
    project_id: 'p',
    actor_id: 'me',
    ...rest,
    ...(payload_json === undefined ? {} : { payload_json: payload_json as Record<string, unknown> }),
  });
};

export const approve = (app: TestApp, taskId: string) => app.call(acknowledge, { task_id: taskId, actor_id: 'jo' });

/** Creates, acknowledges as an operator, and waits for the end. */
export async function runJob(
  app: TestApp,
  more: Parameters<typeof createJob>[1] = {},
  ends: TaskStatus[] = ['succeeded', 'failed', 'needs_anneal', 'cancelled'],
): Promise<Task> {
  const { task_id } = await createJob(app, more);
  await approve(app, task_id);
  return app.until(task_id, ...ends);
}

/** Every log line of a task as `stream text`. */
export const logOf = async ({ dispatcher }: TestApp, taskId: string): Promise<string[]> =>
  (await dispatcher.store.logs.read(taskId, { limit: 100_000 })).map(({ stream, text }) => `${stream} ${text}`);

/** Trusts everything as it is on disk now. */
export async function trustAll(app: TestApp): Promise<void> {
  const { items } = await app.call(listTrust, {});
  const shown = items.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
  await app.call(trustItems, { items: shown });
}

/** Resolves with the first log line of the task that `wanted` matches. */
export async function untilLogged({ dispatcher: { store } }: TestApp, taskId: string, wanted: RegExp): Promise<string> {
  for (;;) {
    let stop = () => {};
    const news = new Promise<void>((resolve) => {
      stop = store.watch(resolve);
    });
    const line = (await store.logs.read(taskId, { limit: 100_000 })).find(({ text }) => wanted.test(text));
    if (line === undefined) await news;
    stop();
    if (line !== undefined) return line.text;
  }
}

/** Resolves once `holds` answers true; asked anew after every change of the store. */
export async function untilTrue({ dispatcher: { store } }: TestApp, holds: () => Promise<boolean>): Promise<void> {
  for (let done = false; !done; ) {
    let stop = () => {};
    const news = new Promise<void>((resolve) => {
      stop = store.watch(resolve);
    });
    done = await holds();
    if (!done) await news;
    stop();
  }
}
