// Runs one automation of the home in a process of its own. Its text comes by message, as it was hashed; its answer goes back the same way.
import * as nodeModule from 'node:module';
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

// JSON, a line a message, in both directions.
const channel = new Socket({ fd: 3 });
const send = (message) => new Promise((resolve) => channel.write(`${JSON.stringify(message)}\n`, resolve));
const waiting = new Map();
let lastCall = 0;
let rest = '';

channel.setEncoding('utf8').on('data', (chunk) => {
  const lines = (rest + chunk).split('\n');
  rest = lines.pop();
  for (const message of lines.map((line) => JSON.parse(line))) {
    if (message.kind === 'job') void answer(message);
    else settle(message);
  }
});
// Nobody is left to answer to.
channel.on('error', () => {}).on('close', () => process.exit(1));
// The parent's id is read here: by the time the worker runs, it may be gone.
new Worker(new URL('./watch-parent.mjs', import.meta.url), { workerData: { parent: process.ppid } }).unref();

async function answer(job) {
  try {
    await send(await work(job));
  } catch (error) {
    await send({
      kind: 'failed',
      message: messageOf(error),
      code: typeof error?.code === 'string' ? error.code : null,
    });
  }
}

async function work({ task, name, text, params, home }) {
  const module = await load(name, text);
  const isZod = typeof module.params === 'object' && module.params !== null && '_zod' in module.params;
  if (task === 'describe') return describe(module, isZod);
  const checked = isZod ? await module.params.safeParseAsync(params) : { success: true, data: params };
  if (!checked.success) return { kind: 'failed', message: checked.error.message, code: 'invalid_input' };
  const result = await module[task](checked.data, context(home));
  return { kind: 'done', json: JSON.stringify(result) ?? 'null' };
}

async function load(name, text) {
  await restrictImports();
  const source = `${text}\n//# sourceURL=automations/${name}.mjs`;
  const module = await import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
  if (typeof module.description !== 'string' || module.description === '')
    throw new Error('it exports no `description`');
  if (typeof module.run !== 'function') throw new Error('it exports no function `run`');
  if (module.plan !== undefined && typeof module.plan !== 'function') throw new Error('its `plan` is no function');
  return module;
}

async function restrictImports() {
  const hooks = new URL('./imports.mjs', import.meta.url);
  if (nodeModule.registerHooks) nodeModule.registerHooks(await import(hooks));
  else nodeModule.register(hooks);
}

async function describe(module, isZod) {
  const params = isZod ? (await import('zod')).toJSONSchema(module.params, { io: 'input' }) : (module.params ?? null);
  return {
    kind: 'described',
    json: JSON.stringify({ description: module.description, params, canPlan: module.plan !== undefined }),
  };
}

const context = (home) => ({
  home,
  integration(name, action, input = {}) {
    const id = ++lastCall;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      send({ kind: 'integration', id, name, action, input }).catch(reject);
    });
  },
});

function settle({ id, ok, result, error }) {
  const call = waiting.get(id);
  waiting.delete(id);
  if (ok) call?.resolve(result);
  else call?.reject(Object.assign(new Error(error.error), { code: error.code, hint: error.hint }));
}

/** A message names the module by its file, not by the text that it was loaded from. */
function messageOf(error) {
  const message =
    error instanceof Error
      ? error.name === 'Error'
        ? error.message
        : `${error.name}: ${error.message}`
      : String(error);
  return message.replace(/data:text\/javascript;base64,[A-Za-z0-9+/=]*/g, 'the module');
}
