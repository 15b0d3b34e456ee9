// MCP over HTTP: the 2026-07-28 revision statelessly, 2025-era clients with sessions, so that they can be asked and told.
import type { AuthInfo } from '@modelcontextprotocol/server';
import { createMcpHandler, isLegacyRequest } from '@modelcontextprotocol/server';
import { once } from '../once.js';
import type { Caller } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { connectionOf } from './connection.js';
import { createMcpServer } from './create-server.js';
import { createSource } from './news.js';
import { createSseLines, type SseLines } from './serve-sse.js';
import { createSessions } from './sessions.js';

/** What the bridge mounts behind its own checks: `/mcp`, and `/sse` with `/messages` on Node's own objects. */
export interface McpHttp {
  fetch(request: Request, caller: Caller): Promise<Response>;
  sse: SseLines['handle'];
  close(): Promise<void>;
}

export function createMcpHttp(dispatcher: Dispatcher): McpHttp {
  const source = createSource(Promise.resolve(dispatcher));
  const modern = createMcpHandler(
    ({ authInfo }) => {
      const caller = callerIn(authInfo);
      return createMcpServer(source.backend, connectionOf(caller, 'modern', `key:${caller.keyId}`));
    },
    { legacy: 'reject', onerror: (error) => dispatcher.log.debug('mcp.request_failed', { error }) },
  );
  const sessions = createSessions(dispatcher, source);
  const sse = createSseLines(dispatcher, source);
  /** Before the first answer, since whoever listens must miss nothing; and not sooner, since nobody may ever come. */
  const follow = once(async () => {
    const feed = await source.news();
    feed.follow({
      updated: (uris) => {
        for (const uri of uris) modern.notify.resourceUpdated(uri);
      },
      listChanged: () => modern.notify.resourcesChanged(),
    });
    await feed.ready;
  });
  return {
    async fetch(request, caller) {
      if (request.method !== 'POST' || (await isLegacyRequest(request))) return sessions.fetch(request, caller);
      await follow();
      return modern.fetch(request, { authInfo: authInfoOf(caller) });
    },
    sse: sse.handle,
    async close() {
      source.stop();
      await Promise.all([modern.close(), sessions.close(), sse.close()]);
    },
  };
}

/** The caller travels with the request; the key itself stays in the bridge. */
const authInfoOf = (caller: Caller): AuthInfo => ({
  token: '',
  clientId: caller.keyId ?? '',
  scopes: [],
  extra: { caller },
});

const callerIn = (authInfo: AuthInfo | undefined): Caller => {
  const caller = authInfo?.extra?.caller as Caller | undefined;
  if (caller === undefined) throw new Error('A request came to MCP without its caller.');
  return caller;
};
