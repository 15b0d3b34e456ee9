// One HTTP request exactly as given: any Host, any bytes, nothing normalised by a client.
import { request } from 'node:http';
import type { App } from '../../src/app.js';
import { agentKey, operatorKey } from './test-app.js';

export interface RawRequest {
  method?: string;
  path: string;
  headers?: Record<string, string | string[]>;
  body?: string | Uint8Array;
}

export interface RawAnswer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The JSON object of the body. */
  json(): Record<string, unknown>;
}

export const operator = operatorKey.slice(operatorKey.indexOf(':') + 1);
export const agent = agentKey;

export function send(
  { address }: Pick<App, 'address'>,
  { method = 'GET', path, headers = {}, body }: RawRequest,
): Promise<RawAnswer> {
  const { port } = new URL(address ?? '');
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: () => JSON.parse(text) }),
      );
    });
    call.on('error', reject);
    call.end(body);
  });
}

/** The answer to a JSON request with the operator key, or another. */
export const sendJson = (
  app: Pick<App, 'address'>,
  method: string,
  path: string,
  {
    json,
    key = operator,
    headers = {},
  }: { json?: unknown; key?: string | null; headers?: Record<string, string> } = {},
): Promise<RawAnswer> =>
  send(app, {
    method,
    path,
    headers: {
      ...(key === null ? {} : { 'X-API-Key': key }),
      ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: typeof json === 'string' ? json : JSON.stringify(json) }),
  });
