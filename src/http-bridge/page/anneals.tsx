// Repairs: what failed, with its bundle, the tasks that failed alike, and the ways on.
import type { Hono } from 'hono';
import { raw } from 'hono/html';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { DispatcherError, httpStatus, publicError } from '../../errors.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { annealComplete, dismissAnneal, listAnneals, readAnneal } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { contextOf, FailureDiffs, type Mended, MendedDiff, mendedSince } from './anneal-diffs.js';
import { actorOf, callOf, type PageContext, type PageEnv } from './env.js';
import type { Form } from './form.js';
import { Csrf, Frame, send } from './layout.js';
import { plainText } from './log.js';
import { renderMarkdown } from './markdown.js';
import { Source } from './payload.js';
import { Ago, Empty, Fact, Facts, Refusal } from './words.js';

const shownAtOnce = 50;
/** Of a log, in characters: it may be megabytes. */
const longestShown = 50_000;
const statuses = ['open', 'completed', 'dismissed'] as const;
const tones = { open: 'status-needs_anneal', completed: 'status-succeeded', dismissed: '' } as const;

type AnnealList = Awaited<ReturnType<typeof listAnneals.run>>;
type AnnealItem = AnnealList['anneals'][number];
type Bundle = Awaited<ReturnType<typeof readAnneal.run>>;

export function addAnneals(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/anneals', async (context) => {
    const status = statuses.find((name) => name === context.req.query('status'));
    const cursor = context.req.query('cursor');
    const list = await invoke(dispatcher, listAnneals, { status, cursor, limit: shownAtOnce }, callOf(context));
    return send(context, <AnnealListPage context={context} status={status} list={list} />);
  });

  app.get('/anneals/:aid', async (context) => show(context, dispatcher));

  app.post('/anneals/:aid/complete', async (context) => {
    const { task_id } = await invoke(dispatcher, readAnneal, { aid: context.req.param('aid') }, callOf(context));
    const field = (name: string) => context.get('form').get(name)?.trim() ?? '';
    const given = Object.fromEntries(
      ['note', 'payload_json'].map((name) => [name, field(name)]).filter(([, text]) => text !== ''),
    );
    const input = { task_id, actor_id: actorOf(context), ...given };
    try {
      await invoke(dispatcher, annealComplete, input, callOf(context));
    } catch (error) {
      if (error instanceof DispatcherError) return show(context, dispatcher, error);
      throw error;
    }
    return context.redirect(`/ui/approvals/${encodeURIComponent(task_id)}`, 303);
  });

  app.post('/anneals/:aid/dismiss', async (context) => {
    const { task_id } = await invoke(dispatcher, readAnneal, { aid: context.req.param('aid') }, callOf(context));
    await invoke(dispatcher, dismissAnneal, { task_id, actor_id: actorOf(context) }, callOf(context));
    return context.redirect(`/ui/tasks/${encodeURIComponent(task_id)}`, 303);
  });
}

/** With `error`, what was entered stands in the form again. */
async function show(context: PageContext, dispatcher: Dispatcher, error?: DispatcherError): Promise<Response> {
  const call = callOf(context);
  const bundle = await invoke(dispatcher, readAnneal, { aid: context.req.param('aid') ?? '' }, call);
  const mended = bundle.status === 'open' ? await mendedSince(dispatcher, bundle.task_id, call) : null;
  const status = error === undefined ? 200 : (httpStatus(error.code) as ContentfulStatusCode);
  return send(context, <AnnealPage context={context} bundle={bundle} mended={mended} error={error} />, status);
}

interface ListProps {
  context: PageContext;
  status: string | undefined;
  list: AnnealList;
}

const AnnealListPage = ({ context, status, list }: ListProps) => (
  <Frame context={context} title="Repairs" here="/ui/anneals" live>
    <h1>Repairs</h1>
    <form method="get" action="/ui/anneals" class="row">
      <div>
        <label for="status">State</label>
        <select id="status" name="status">
          <option value="">any</option>
          {statuses.map((name) => (
            <option value={name} selected={name === status}>
              {name}
            </option>
          ))}
        </select>
      </div>
      <button type="submit">Show</button>
    </form>
    <div id="anneals" data-live="">
      {list.anneals.length === 0 ? (
        <Empty>Nothing waits for a repair.</Empty>
      ) : (
        <ul class="cards">
          {list.anneals.map((anneal) => (
            <AnnealRow anneal={anneal} />
          ))}
        </ul>
      )}
      {list.next_cursor === null ? null : (
        <p>
          <a href={`/ui/anneals?${new URLSearchParams({ status: status ?? '', cursor: list.next_cursor })}`}>
            Older ones
          </a>
        </p>
      )}
    </div>
  </Frame>
);

const AnnealRow = ({ anneal }: { anneal: AnnealItem }) => (
  <li>
    <a class="card" href={`/ui/anneals/${encodeURIComponent(anneal.aid)}`} data-row="">
      <span class="card-head">
        <span class={`badge ${tones[anneal.status]}`}>{anneal.status}</span>
        <strong>{anneal.task_id}</strong>
        <span class="badge">{anneal.classification}</span>
        <Ago at={Date.parse(anneal.opened_at)} />
      </span>
      <span class="card-body">
        <span>{plainText(anneal.message)}</span>
        <span class="muted">fingerprint {anneal.fingerprint}</span>
      </span>
    </a>
  </li>
);

interface AnnealProps {
  context: PageContext;
  bundle: Bundle;
  /** Null where the repair is over. */
  mended: Mended | null;
  error: DispatcherError | undefined;
}

const AnnealPage = ({ context, bundle, mended, error }: AnnealProps) => {
  // A task that failed alike several times is named once, by its newest.
  const others = bundle.occurrences.filter(({ task_id }) => task_id !== bundle.task_id);
  const alike = others.filter(({ task_id }, index) => others.findIndex((one) => one.task_id === task_id) === index);
  return (
    <Frame context={context} title={`Repair of ${bundle.task_id}`} here="/ui/anneals">
      <p class="crumbs">
        <a href="/ui/anneals">Repairs</a>
      </p>
      <h1>Repair of {bundle.task_id}</h1>
      <p class="subtitle">
        <code>{bundle.aid}</code> <span class={`badge ${tones[bundle.status]}`}>{bundle.status}</span>
      </p>
      {error === undefined ? null : <Refusal {...publicError(error)} />}
      <p class="notice-box bad">{plainText(bundle.message)}</p>
      <Facts>
        <Fact name="Task">
          <a href={`/ui/tasks/${encodeURIComponent(bundle.task_id)}`}>{bundle.task_id}</a>
        </Fact>
        <Fact name="Error">{bundle.error_type}</Fact>
        <Fact name="Kind">{bundle.classification}</Fact>
        <Fact name="Exit code">{bundle.exit_code ?? <span class="muted">none</span>}</Fact>
        <Fact name="Attempts">{bundle.attempts}</Fact>
        <Fact name="Fingerprint">
          <code>{bundle.fingerprint}</code>
        </Fact>
      </Facts>
      <FailureDiffs context={contextOf(bundle.files)} />
      {mended === null ? null : <MendedDiff mended={mended} />}
      {bundle.status === 'open' ? (
        <Ways context={context} aid={bundle.aid} entered={error === undefined ? undefined : context.get('form')} />
      ) : null}
      {alike.length === 0 ? null : (
        <>
          <h2>Failed alike</h2>
          <ul>
            {alike.map(({ task_id, aid, at }) => (
              <li>
                <a
                  href={
                    aid === null ? `/ui/tasks/${encodeURIComponent(task_id)}` : `/ui/anneals/${encodeURIComponent(aid)}`
                  }
                >
                  {task_id}
                </a>
                , <Ago at={Date.parse(at)} />
              </li>
            ))}
          </ul>
        </>
      )}
      <h2>The bundle</h2>
      {bundle.files.map(({ name, text, bytes }) => (
        <details {...(name === 'README.md' ? { open: true } : {})}>
          <summary>
            {name} <span class="muted">{bytes} bytes</span>
          </summary>
          {name.endsWith('.md') ? (
            <article class="directive">{raw(renderMarkdown(plainText(text)))}</article>
          ) : (
            <>
              {text.length > longestShown ? (
                <p class="muted">
                  Its end; the whole of it lies in <code>anneal-tasks/{bundle.aid}</code>.
                </p>
              ) : null}
              <Source text={plainText(text.slice(-longestShown))} name={name} />
            </>
          )}
        </details>
      ))}
    </Frame>
  );
};

const Ways = ({ context, aid, entered }: { context: PageContext; aid: string; entered: Form | undefined }) => {
  const payload = entered?.get('payload_json') ?? '';
  const path = `/ui/anneals/${encodeURIComponent(aid)}`;
  return (
    <>
      <h2>Then</h2>
      <form method="post" action={`${path}/complete`}>
        <Csrf context={context} />
        <label for="note">
          What was mended <span class="muted">(needed where nothing changed on disk)</span>
        </label>
        <textarea id="note" name="note" rows={2} maxlength={4000}>
          {entered?.get('note') ?? ''}
        </textarea>
        <details {...(payload === '' ? {} : { open: true })}>
          <summary>With another payload</summary>
          <label for="payload_json">The whole payload, as a JSON object</label>
          <textarea id="payload_json" name="payload_json" rows={4} spellcheck={false}>
            {payload}
          </textarea>
        </details>
        <button type="submit">It is mended: send it round again</button>
      </form>
      <form method="post" action={`${path}/dismiss`}>
        <Csrf context={context} />
        <button type="submit" class="bad">
          Dismiss: it stays failed
        </button>
      </form>
    </>
  );
};
