// Tells an outside address what became of tasks, in the order of the change feed, from where the last process left off.
// At least once: a message goes out again where nobody knows whether it arrived, under the same id.
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Event, Store } from '../queue/store.js';
import { bySystem } from '../tasks/task.js';
import { realTime, type Time } from './time.js';
import { messageBody, signedHeaders, type Told, toldState } from './webhook-message.js';
import { createTurn, turnMs } from './webhook-turn.js';

export interface WebhookOptions {
  url: string;
  secret: string;
  store: Store;
  approveUrl: (taskId: string) => Promise<string>;
  clock: Clock;
  log: Log;
  time?: Time;
}

export interface Webhook {
  /** Follows the change feed. The first start on a home begins with what happens from then on. */
  start(): Promise<void>;
  /** Resolves when nothing goes out any more; what was not sent is sent by the next process. */
  stop(): Promise<void>;
}

const cursorFact = 'webhook_cursor';
const timeoutMs = 10_000;
/** Between the tries of one message; after the last it is given up, so that one that never gets through blocks no other. */
const pausesMs = [1000, 5000, 30_000, 120_000, 600_000];
/** Refusals that mean «later». */
const laterStatuses = new Set([408, 409, 425, 429]);
const atOnce = 200;
/** What is older is no news, as after a time without a webhook. */
const staleMs = 24 * 60 * 60_000;

export function createWebhook({
  url,
  secret,
  store,
  approveUrl,
  clock,
  log,
  time = realTime,
}: WebhookOptions): Webhook {
  const { ledger } = store;
  const stopping = new AbortController();
  const { signal } = stopping;
  let unwatch = () => {};
  let loop: Promise<void> = Promise.resolve();
  let wake = () => {};
  const turn = createTurn(ledger, time);

  const cursor = async (): Promise<number> => Number(await ledger.fact(cursorFact));

  /** What is to be told and was not yet; `upTo` is set where the feed goes on, and how far it was read. */
  const pending = async (): Promise<{ events: [Event, Told][]; upTo: number | null }> => {
    const changes = await ledger.changes(await cursor(), atOnce);
    const oldest = (await store.now()) - staleMs;
    const events = changes.flatMap((event): [Event, Told][] => {
      const state = event.at < oldest ? null : toldState(event);
      return state === null ? [] : [[event, state]];
    });
    return { events, upTo: changes.length === atOnce ? (changes.at(-1)?.seq ?? null) : null };
  };

  /** Sends once. `again` is left out where a further try would be refused alike. */
  const attempt = async (id: string, body: string): Promise<'sent' | { fault: string; again: boolean }> => {
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: signedHeaders(id, body, secret, clock.now()),
        body,
        redirect: 'manual',
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      await response.body?.cancel();
      const { status } = response;
      return response.ok ? 'sent' : { fault: `answered ${status}`, again: status >= 500 || laterStatuses.has(status) };
    } catch (error) {
      signal.throwIfAborted();
      const late = (error as Error).name === 'TimeoutError';
      return { fault: late ? 'did not answer in time' : 'could not be reached', again: true };
    }
  };

  /** Sends one message, however long that takes; false where the turn was lost meanwhile. */
  const tell = async (event: Event, state: Told): Promise<boolean> => {
    const task = event.taskId === null ? null : await store.tasks.get(event.taskId);
    if (task === null) return true;
    const id = `${await ledger.homeId()}_${event.seq}`;
    const body = messageBody(event, state, task, await approveUrl(task.id));
    const about = { task_id: task.id, type: `task.${state}` };
    for (let tried = 0; await turn.keep(); tried++) {
      const outcome = await attempt(id, body);
      if (outcome === 'sent') {
        log.info('webhook.sent', about);
        return true;
      }
      const pause = outcome.again ? pausesMs[tried] : undefined;
      log.warn('webhook.failed', { ...about, reason: outcome.fault, again_in_ms: pause });
      if (pause === undefined) {
        const data = { ...about, reason: outcome.fault };
        await ledger.record({ taskId: null, type: 'webhook_given_up', assurance: null, data }, bySystem);
        return true;
      }
      if (!(await waitInTurn(pause))) return false;
    }
    return false;
  };

  /** Waits, and keeps the turn meanwhile; false where it was lost. */
  const waitInTurn = async (ms: number): Promise<boolean> => {
    for (let left = ms; left > 0; left -= turnMs / 3) {
      await time.pause(Math.min(left, turnMs / 3), signal);
      if (!(await turn.keep())) return false;
    }
    return true;
  };

  const moveCursor = async (seq: number): Promise<void> => {
    const now = await ledger.fact(cursorFact);
    if (now !== null && Number(now) < seq) await ledger.setFact(cursorFact, String(seq), now);
  };

  /** Sends all that is pending while the turn is this process's own; false where another process has it. */
  const drain = async (): Promise<boolean> => {
    for (let feed = await pending(); feed.events.length > 0 || feed.upTo !== null; feed = await pending()) {
      if (!(await turn.take())) return false;
      try {
        // Read anew: the process that had the turn may have sent some of them.
        const { events, upTo } = await pending();
        for (const [event, state] of events) {
          if (!(await tell(event, state))) return false;
          await moveCursor(event.seq);
        }
        if (upTo !== null) await moveCursor(upTo);
      } finally {
        await turn.giveBack();
      }
    }
    return true;
  };

  const follow = async (): Promise<void> => {
    while (!signal.aborted) {
      let announce = () => {};
      const news = new Promise<void>((resolve) => (announce = resolve));
      wake = announce;
      const mine = await drain().catch((error: unknown) => {
        if (!signal.aborted) log.error('webhook.broken', { error });
        return false;
      });
      // Where another process sends, or the store could not be read, this one looks again by itself.
      const enough = new AbortController();
      const later = mine ? [] : [time.pause(turnMs / 3, AbortSignal.any([signal, enough.signal])).catch(() => {})];
      if (!signal.aborted) await Promise.race([news, ...later]);
      enough.abort();
    }
  };

  return {
    async start() {
      await ledger.setFact(cursorFact, String(await ledger.newestSeq()));
      unwatch = store.watch(() => wake());
      loop = follow();
    },
    async stop() {
      unwatch();
      stopping.abort();
      wake();
      await loop;
    },
  };
}
