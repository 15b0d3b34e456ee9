// A browser's part in a test of the page, without a browser: cookies, its own name, the Origin of its forms.
import { request } from 'node:http';
import type { TestApp } from './test-app.js';
import { operatorKey } from './test-app.js';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface Visitor {
  origin: string;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Sends a form as the page's own would, with the session's token; `headers` replaces or, with '', takes away. */
  post(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
  signIn(key?: string): Promise<Answer>;
  cookies: Map<string, string>;
}

export function createVisitor(app: Pick<TestApp, 'address'>, host = 'doe.localhost'): Visitor {
  const { port } = new URL(app.address ?? '');
  const origin = `http://${host}:${port}`;
  const cookies = new Map<string, string>();

  const send = (method: string, path: string, headers: Record<string, string>, body?: string): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const all = {
        Host: `${host}:${port}`,
        Accept: 'text/html',
        ...(cookie === '' ? {} : { Cookie: cookie }),
        ...headers,
      };
      const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
      const call = request({ host: '127.0.0.1', port, method, path, headers: present }, (answer) => {
        for (const line of answer.headers['set-cookie'] ?? []) {
          const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
          if (value === '') cookies.delete(name);
          else cookies.set(name, value);
        }
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
      });
      call.on('error', reject);
      call.end(body);
    });

  let csrf = '';
  const visitor: Visitor = {
    origin,
    cookies,
    get: (path, headers = {}) => send('GET', path, headers),
    post: (path, fields, headers = {}) =>
      send(
        'POST',
        path,
        { Origin: origin, 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
        new URLSearchParams({ ...(csrf === '' ? {} : { csrf }), ...fields }).toString(),
      ),
    async signIn(key = operatorKey) {
      const answer = await visitor.post('/ui/sign-in', { key: key.slice(key.indexOf(':') + 1) });
      const page = await visitor.get('/ui/approvals');
      csrf = /name="csrf" value="([^"]+)"/.exec(page.body)?.[1] ?? '';
      return answer;
    },
  };
  return visitor;
}
