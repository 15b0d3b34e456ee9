// Live pages: one look at the change feed for all open pages of this process, whoever made the change.
import { once } from '../../once.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import type { PageContext } from './env.js';

const keepAliveMs = 20_000;
const hintEveryMs = 1000;
const changesAtOnce = 500;
/** A page that reads so slowly is cut off; it connects again and loads itself anew. */
const mostUnread = 200;

type Subscriber = { controller: ReadableStreamDefaultController<Uint8Array>; wantsHints: boolean };

export interface Live {
  /**
   * Server-sent events (WHATWG HTML): `hello` with the newest seq, then `change` for what was committed, both with how many
   * wait for a decision; `hint` for progress.
   */
  stream(context: PageContext): Promise<Response>;
  close(): void;
}

export function createLive({ store: { ledger, tasks, watch }, log }: Pick<Dispatcher, 'store' | 'log'>): Live {
  const subscribers = new Set<Subscriber>();
  const encoder = new TextEncoder();
  let seq = 0;
  let stop: (() => void) | null = null;
  let keepAlive: NodeJS.Timeout | undefined;
  let hint: NodeJS.Timeout | undefined;
  let reading = false;
  let again = false;
  /** Pages that are about to subscribe: what they wait for must not be taken away by the last one that leaves. */
  let coming = 0;

  const restIfUnwatched = () => {
    if (subscribers.size + coming > 0) return;
    stop?.();
    stop = null;
    ready.forget();
    clearInterval(keepAlive);
    clearTimeout(hint);
    hint = undefined;
  };

  const drop = (subscriber: Subscriber) => {
    subscribers.delete(subscriber);
    restIfUnwatched();
  };

  const send = (text: string, to: (subscriber: Subscriber) => boolean = () => true) => {
    const bytes = encoder.encode(text);
    for (const subscriber of [...subscribers]) {
      if (!to(subscriber)) continue;
      if ((subscriber.controller.desiredSize ?? 0) > -mostUnread) subscriber.controller.enqueue(bytes);
      else {
        subscriber.controller.close();
        drop(subscriber);
      }
    }
  };

  const readChanges = async () => {
    const changed = new Set<string>();
    const before = seq;
    for (;;) {
      const events = await ledger.changes(seq, changesAtOnce);
      for (const { taskId } of events) if (taskId !== null) changed.add(taskId);
      seq = events.at(-1)?.seq ?? seq;
      if (events.length < changesAtOnce) break;
    }
    if (seq > before) {
      const news = { seq, tasks: [...changed].slice(0, changesAtOnce), waiting: await tasks.waiting() };
      return send(message('change', news));
    }
    hint ??= setTimeout(() => {
      hint = undefined;
      send(message('hint', {}), ({ wantsHints }) => wantsHints);
    }, hintEveryMs).unref();
  };

  /** News that comes while the feed is read is read right after: never two readings at once. */
  const onNews = async () => {
    again = true;
    if (reading) return;
    reading = true;
    try {
      while (again && stop !== null) {
        again = false;
        await readChanges();
      }
    } finally {
      reading = false;
    }
  };

  const onNewsOrWarn = () => onNews().catch((error: unknown) => log.warn('page.live_failed', { error }));

  const ready = once(async () => {
    seq = await ledger.newestSeq();
    stop = watch(() => void onNewsOrWarn());
    keepAlive = setInterval(() => send(': alive\n\n'), keepAliveMs).unref();
    // What was committed between the two lines above has called nobody. What cannot be read now is read with the next news.
    await onNewsOrWarn();
  });

  const subscribe = (wantsHints: boolean, waiting: number) => {
    let subscriber: Subscriber | undefined;
    return new ReadableStream<Uint8Array>({
      start(controller) {
        subscriber = { controller, wantsHints };
        subscribers.add(subscriber);
        controller.enqueue(encoder.encode(`retry: 2000\n${message('hello', { seq, waiting })}`));
      },
      cancel() {
        if (subscriber !== undefined) drop(subscriber);
      },
    });
  };

  return {
    async stream(context) {
      const headers = { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' };
      // Nobody reads the body of an answer to HEAD: a stream would wait for ever.
      if (context.req.method === 'HEAD') return new Response(null, { headers });
      const wantsHints = context.req.query('hints') !== undefined;
      coming += 1;
      try {
        await ready();
        return new Response(subscribe(wantsHints, await tasks.waiting()), { headers });
      } finally {
        coming -= 1;
        restIfUnwatched();
      }
    },
    close() {
      for (const subscriber of [...subscribers]) {
        subscriber.controller.close();
        drop(subscriber);
      }
    },
  };
}

const message = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
