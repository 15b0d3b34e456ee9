// Change notifications: from the store's change feed and the directives on disk to resource URIs, whichever process made the change.
import type { McpServer, ProtocolEra } from '@modelcontextprotocol/server';
import type { Directive } from '../directives/index.js';
import { once } from '../once.js';
import type { Event } from '../queue/store.js';
import { skillNames, skillUri } from '../resources/skills.js';
import { settledStatuses } from '../tasks/states.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import type { Backend } from './connection.js';

export interface News {
  /** Resources that changed, by URI. */
  updated(uris: string[]): void;
  /** Resources came or went. */
  listChanged(): void;
}

export interface NewsFeed {
  /** Resolves once every later change will be told: an answer given before it might be old without anybody saying so. */
  ready: Promise<void>;
  /** Tells of what happens from now on, until it is stopped. */
  follow(news: News): () => void;
  stop(): void;
}

/** What the lines of one process answer from. */
export interface Source {
  /** The dispatcher, once later changes will be told. */
  backend: Backend;
  news(): Promise<NewsFeed>;
  stop(): void;
}

/** The feed begins when it is first asked for; `need` is called when the dispatcher itself first is. */
export function createSource(dispatcher: Promise<Dispatcher>, need = () => {}): Source {
  let feed: NewsFeed | undefined;
  const news = async () => {
    const known = await dispatcher;
    feed ??= createNewsFeed(known);
    return feed;
  };
  const backend = once(async () => {
    need();
    await (await news()).ready;
    return dispatcher;
  });
  return {
    news,
    backend,
    stop: () => feed?.stop(),
  };
}

const page = 500;
/** Log lines come in bursts; a reader of the log is told at most this often. */
const logMs = 1_000;

/** One for all lines of a process: the changes are read once. */
function createNewsFeed(dispatcher: Dispatcher): NewsFeed {
  const { store, directives, log } = dispatcher;
  const followers = new Set<News>();
  const updated = (uris: string[]) => {
    if (uris.length > 0) for (const news of followers) news.updated(uris);
  };
  const listChanged = () => {
    for (const news of followers) news.listChanged();
  };
  let seq = 0;
  let stopped = false;
  let reading = false;
  let again = false;
  let revisions = new Map<string, string>();
  let logTimer: NodeJS.Timeout | undefined;
  const logEnds = new Map<string, number>();

  const readEvents = async () => {
    for (let events: Event[] = [], more = true; more && !stopped; more = events.length === page) {
      events = await store.ledger.changes(seq, page);
      seq = events.at(-1)?.seq ?? seq;
      if (events.length > 0) tell(events);
    }
  };

  const tell = (events: Event[]) => {
    const ofTasks = events.filter((event) => event.taskId !== null);
    const ids = new Set(ofTasks.map(({ taskId }) => taskId as string));
    for (const { taskId, to } of ofTasks) {
      if (taskId === null || to === null) continue;
      if (to === 'running') logEnds.set(taskId, 0);
      else if (settledStatuses.includes(to)) logEnds.delete(taskId);
    }
    updated([...ids].flatMap((id) => [`task://${id}`, `task://${id}/log`]));
    if (ofTasks.some(({ from, to }) => from === null || to === 'needs_anneal' || from === 'needs_anneal'))
      listChanged();
  };

  const readLogs = async () => {
    for (const [id, end] of logEnds) {
      const newest = (await store.logs.tail(id, 1)).at(-1)?.id ?? 0;
      if (newest === end) continue;
      logEnds.set(id, newest);
      updated([`task://${id}/log`]);
    }
  };

  const readDirectives = async () => {
    await ready;
    const before = revisions;
    revisions = revisionsOf(await directives.list());
    updated([...revisions].flatMap(([uri, sha256]) => (before.has(uri) && before.get(uri) !== sha256 ? [uri] : [])));
    if (revisions.size !== before.size || [...revisions.keys()].some((uri) => !before.has(uri))) listChanged();
  };

  const run = (job: () => Promise<void>) =>
    job().catch((error: unknown) => {
      if (!stopped) log.warn('mcp.news_failed', { error });
    });

  const readAll = async () => {
    reading = true;
    await ready;
    while (again && !stopped) {
      again = false;
      await run(readEvents);
    }
    reading = false;
  };

  const onCommit = () => {
    again = true;
    if (!reading) void readAll();
    if (logEnds.size > 0)
      logTimer ??= setTimeout(() => {
        logTimer = undefined;
        void run(readLogs);
      }, logMs).unref();
  };

  // Watched first and read then: what changes in between is read twice rather than never.
  const stopStore = store.watch(onCommit);
  let directivesRead = Promise.resolve();
  const stopFiles = directives.watch(() => {
    directivesRead = directivesRead.then(() => run(readDirectives));
  });
  const ready = run(async () => {
    seq = await store.ledger.newestSeq();
    revisions = revisionsOf(await directives.list());
  });
  return {
    ready,
    follow(news) {
      followers.add(news);
      return () => followers.delete(news);
    },
    stop() {
      stopped = true;
      clearTimeout(logTimer);
      stopStore();
      stopFiles();
    },
  };
}

/** What of a directive can be read, by URI, with its present revision. */
const revisionsOf = (directives: Directive[]): Map<string, string> =>
  new Map([
    ...directives.map(({ id, sha256 }): [string, string] => [`directive://${encodeURIComponent(id)}`, sha256]),
    ...[...skillNames(directives)].map(([name, { sha256 }]): [string, string] => [skillUri(name), sha256]),
  ]);

/**
 * News for the one server of a long-lived line. In the 2025 era only what was subscribed is sent
 * (resources/subscribe); in the 2026 era the serving entry filters by its subscriptions/listen.
 */
export function followNews({ news }: Source, { server }: McpServer, era: ProtocolEra): () => void {
  const subscribed = new Set<string>();
  const wanted = (uri: string) => era === 'modern' || subscribed.has(uri);
  if (era === 'legacy') {
    server.setRequestHandler('resources/subscribe', ({ params }) => {
      subscribed.add(params.uri);
      return {};
    });
    server.setRequestHandler('resources/unsubscribe', ({ params }) => {
      subscribed.delete(params.uri);
      return {};
    });
  }
  let stop: (() => void) | null = null;
  let stopped = false;
  // A line that closes while news is on its way is no fault.
  const quiet = (sent: Promise<void>) => sent.catch(() => {});
  const begin = (feed: NewsFeed) => {
    if (stopped || stop !== null) return;
    stop = feed.follow({
      updated: (uris) => {
        for (const uri of uris) if (wanted(uri)) void quiet(server.sendResourceUpdated({ uri }));
      },
      listChanged: () => void quiet(server.sendResourceListChanged()),
    });
  };
  // A line that asks for nothing costs nothing: the feed begins with the handshake's end.
  server.oninitialized = () => void news().then(begin, () => {});
  if (era === 'modern') void news().then(begin, () => {});
  return () => {
    stopped = true;
    stop?.();
  };
}
