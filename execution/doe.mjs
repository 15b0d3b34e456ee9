// What an execution script needs of the dispatcher, from Node's own library alone.
//
//   import { integration, payload, progress, result, validate } from './doe.mjs';
//
//   await validate();                 // first of all: exits with 1 where the acknowledgement does not hold
//   const { name } = payload();
//   progress(40, 'uploading');
//   const { url } = await integration('netlify', 'deploy', { site: name, dir: 'sites/client1' });
//   result({ url });
import { renameSync, writeFileSync, writeSync } from 'node:fs';
import { request } from 'node:http';
import { basename } from 'node:path';

const mostBytes = 64 * 1024 * 1024;
let calls = 0;

/** A call that was refused or failed: `code` says why, `hint` what to do. */
export class IntegrationError extends Error {
  name = 'IntegrationError';

  /**
   * @param {string} code
   * @param {string} message
   * @param {string} [hint]
   */
  constructor(code, message, hint) {
    super(`${code}: ${message}${hint ? ` ${hint}` : ''}`);
    this.code = code;
    this.hint = hint;
  }
}

/**
 * Asks the dispatcher whether this run is acknowledged; answers what it says of the acknowledgement.
 * Exits with 1 and a line on stderr where it is not, or where nobody can say: call it before anything else.
 * @returns {Promise<Record<string, unknown>>}
 */
export async function validate({ timeoutMs = 10_000 } = {}) {
  const [, script, taskId, token] = process.argv;
  if (!taskId || !token) stop(`usage: ${basename(script ?? 'script')} <task_id> <ack_token> [payload_json]`);
  const query = new URLSearchParams({ task_id: taskId });
  if (process.env.DOE_RUN_ID) query.set('run_id', process.env.DOE_RUN_ID);
  let reply;
  try {
    reply = await ask('GET', `/mcp/validate-ack?${query}`, { bearer: token, timeoutMs });
  } catch (error) {
    stop(`cannot ask whether task ${taskId} is acknowledged: ${error.message}. Nothing was done.`, token);
  }
  const { status, answer } = reply;
  if (status !== 200 || answer.ok !== true || answer.task_id !== taskId) {
    const said = [answer.error, answer.hint].filter(Boolean).join(' ');
    stop(`task ${taskId} is not acknowledged (${answer.code ?? status}). ${said} Nothing was done.`, token);
  }
  return answer;
}

/**
 * The task's payload; empty where none was given.
 * @returns {Record<string, unknown>}
 */
export function payload() {
  let value;
  try {
    value = JSON.parse(process.argv[4] || '{}');
  } catch (error) {
    stop(`the payload is no JSON: ${error.message}`);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) stop('the payload must be a JSON object');
  return value;
}

/** Sets the task's progress, 0 to 100, with a few words for whoever watches. */
export function progress(percent, text = '') {
  const words = String(text).split(/\s+/).join(' ').trim();
  process.stdout.write(`::progress:: ${Math.round(Math.min(Math.max(percent, 0), 100))} ${words}`.trimEnd());
  process.stdout.write('\n');
}

/** Leaves one JSON value as the task's result; the last one counts. Printed where the script was started by hand. */
export function result(value) {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError('The result must be a JSON value.');
  const file = process.env.DOE_RESULT_FILE;
  if (!file) {
    console.log(`result: ${text}`);
    return;
  }
  const part = `${file}.${process.pid}`;
  writeFileSync(part, text);
  renameSync(part, file);
}

/**
 * Calls a service through the dispatcher, which holds the service's key. The directive must list it, and be trusted.
 * @param {string} name
 * @param {string} action
 * @param {Record<string, unknown>} [input]
 * @returns {Promise<any>} the service's result
 * @throws {IntegrationError}
 */
export async function integration(name, action, input = {}, { timeoutMs = 600_000 } = {}) {
  const key = process.env.DOE_RUN_KEY;
  if (!key)
    throw new IntegrationError('unauthorized', 'There is no DOE_RUN_KEY.', 'Integrations answer to a run alone.');
  const path = `/integrations/${encodeURIComponent(name)}/${encodeURIComponent(action)}`;
  // Two calls of one run are two calls: each gets a key of its own.
  const headers = { 'idempotency-key': `${process.env.DOE_RUN_ID ?? ''}:${name}:${action}:${++calls}` };
  const reply = await ask('POST', path, { bearer: key, body: JSON.stringify(input), headers, timeoutMs }).catch(
    (error) => {
      throw new IntegrationError('bridge_unreachable', hide(`${name} ${action} got no answer: ${error.message}.`, key));
    },
  );
  const { status, answer } = reply;
  if (status === 200 && answer.ok === true) return answer.result;
  const message = String(answer.error ?? `${name} ${action} was answered with ${status}.`);
  throw new IntegrationError(
    answer.code ?? 'upstream',
    hide(message, key),
    answer.hint && hide(String(answer.hint), key),
  );
}

const hide = (text, secret) => (secret ? text.replaceAll(secret, '…') : text);

function stop(message, secret = '') {
  // At once and whole, also into a pipe.
  writeSync(2, `doe: ${hide(message, secret)}\n`);
  process.exit(1);
}

/** One HTTP exchange over a connection of its own: status and JSON object. */
function ask(method, path, { bearer, body = '', headers = {}, timeoutMs }) {
  const base = (process.env.MCP_URL || 'http://127.0.0.1:3001').replace(/\/+$/, '');
  return new Promise((resolve, reject) => {
    const credentials = { authorization: `Bearer ${bearer}` };
    const content =
      method === 'POST' ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } : {};
    const signal = AbortSignal.timeout(timeoutMs);
    const fail = (error) => reject(signal.aborted ? new Error(`timed out after ${timeoutMs} ms`) : error);
    const options = { method, agent: false, signal, headers: { ...credentials, ...content, ...headers } };
    const call = request(`${base}${path}`, options, (response) => {
      const chunks = [];
      let bytes = 0;
      response.on('error', fail);
      response.on('data', (chunk) => {
        bytes += chunk.length;
        if (bytes > mostBytes) response.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode, answer: parse(Buffer.concat(chunks)) }));
    });
    call.on('error', fail);
    call.end(body);
  });
}

function parse(content) {
  try {
    const value = JSON.parse(content.toString('utf8'));
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
  } catch {
    // No JSON object: the status alone says what happened.
    return {};
  }
}
