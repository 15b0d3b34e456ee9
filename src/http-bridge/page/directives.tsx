// Directives: the list, one with its revisions, trust, and a form made of its schema to start a task.

import type { Hono } from 'hono';
import { raw } from 'hono/html';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Directive } from '../../directives/index.js';
import { DispatcherError, httpStatus, publicError } from '../../errors.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { createTask, listTrust, readDirective } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { WordDiff } from './diff.js';
import { actorOf, callOf, type PageContext, type PageEnv } from './env.js';
import { withHiddenShown } from './hidden-characters.js';
import { Frame, send } from './layout.js';
import { renderMarkdown } from './markdown.js';
import { payloadOf, StartForm } from './start-form.js';
import { type TrustEntry, TrustForm } from './trust.js';
import { Ago, AssuranceBadge, Empty, Fact, Facts, Hash, Refusal } from './words.js';

export function addDirectives(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/directives', async (context) =>
    send(context, <DirectiveList context={context} directives={await dispatcher.directives.list()} />),
  );

  app.get('/directives/:id', async (context) => show(context, dispatcher));

  app.post('/directives/:id/start', async (context) => {
    try {
      const { task_id } = await start(context, dispatcher);
      return context.redirect(`/ui/approvals/${encodeURIComponent(task_id)}`, 303);
    } catch (error) {
      if (!(error instanceof DispatcherError) || error.code === 'directive_not_found') throw error;
      return show(context, dispatcher, error);
    }
  });
}

async function start(context: PageContext, dispatcher: Dispatcher) {
  const form = context.get('form');
  const directive = await requireDirective(dispatcher, context);
  if (directive.kind !== 'task') throw notStartable(directive);
  const wanted = {
    task_type: directive.frontMatter.taskType,
    project_id: form.get('project_id') ?? '',
    actor_id: actorOf(context),
    payload_json: payloadOf(form, directive.frontMatter.payload),
  };
  return invoke(dispatcher, createTask, wanted, callOf(context));
}

/** With `error`, what was entered stands in the form again. */
async function show(context: PageContext, dispatcher: Dispatcher, error?: DispatcherError): Promise<Response> {
  const facts = await gather(context, dispatcher);
  const status = error === undefined ? 200 : (httpStatus(error.code) as ContentfulStatusCode);
  return send(context, <DirectivePage context={context} {...facts} error={error} />, status);
}

async function requireDirective({ directives }: Dispatcher, context: PageContext): Promise<Directive> {
  const id = context.req.param('id') ?? '';
  const directive = await directives.byId(id);
  if (directive !== null) return directive;
  throw new DispatcherError('directive_not_found', `There is no directive ${id}.`, { hint: 'Look at /ui/directives.' });
}

const notStartable = (directive: Directive): DispatcherError =>
  directive.kind === 'broken'
    ? new DispatcherError('directive_broken', `The directive ${directive.id} is broken: ${directive.error}`)
    : new DispatcherError('directive_is_reference', `${directive.id} is a reference: no task can be made of it.`);

type Read = Awaited<ReturnType<typeof readDirective.run>>;

interface DirectiveFacts {
  directive: Directive;
  inForce: Read;
  trust: TrustEntry | null;
  revisions: { sha256: string; version: number; firstSeenAt: number }[];
  /** The revision that is compared with the present one. */
  compared: { sha256: string; text: string } | null;
}

async function gather(context: PageContext, dispatcher: Dispatcher): Promise<DirectiveFacts> {
  const { ledger } = dispatcher.store;
  const directive = await requireDirective(dispatcher, context);
  const call = callOf(context);
  const inForce = await invoke(dispatcher, readDirective, { id: directive.id }, call);
  const asks = directive.kind === 'task' && inForce.trusted === false && inForce.withheld.length > 0;
  const entries = asks ? (await invoke(dispatcher, listTrust, {}, call)).items : [];
  const revisions = await ledger.revisions(directive.id);
  const against = context.req.query('against');
  const text =
    against !== undefined && revisions.some(({ sha256 }) => sha256 === against) ? await ledger.content(against) : null;
  return {
    directive,
    inForce,
    trust: entries.find(({ kind, id }) => kind === 'directive' && id === directive.id) ?? null,
    revisions,
    compared: text === null || against === undefined ? null : { sha256: against, text },
  };
}

const DirectiveList = ({ context, directives }: { context: PageContext; directives: Directive[] }) => (
  <Frame context={context} title="Directives" here="/ui/directives">
    <h1>Directives</h1>
    <p>
      <a href="/ui/trust">What asks for trust</a>
    </p>
    {directives.length === 0 ? (
      <Empty>There are none yet. A directive is a Markdown file in directives/.</Empty>
    ) : (
      <ul class="cards">
        {directives.map((directive) => (
          <li>
            <a class="card" href={`/ui/directives/${encodeURIComponent(directive.id)}`} data-row="">
              <span class="card-head">
                <strong>{withHiddenShown(directive.title)}</strong>
                {directive.kind === 'task' ? null : (
                  <span class={`badge ${directive.kind === 'broken' ? 'status-failed' : ''}`}>{directive.kind}</span>
                )}
                {directive.modifiedAt === 0 ? null : <Ago at={directive.modifiedAt} />}
              </span>
              <span class="card-body">
                <code>{directive.id}</code>
                {directive.kind === 'task' ? <span class="muted">version {directive.frontMatter.version}</span> : null}
                {directive.kind === 'broken' ? <span class="warn">{withHiddenShown(directive.error)}</span> : null}
              </span>
            </a>
          </li>
        ))}
      </ul>
    )}
  </Frame>
);

const DirectivePage = ({
  context,
  directive,
  inForce,
  trust,
  revisions,
  compared,
  error,
}: DirectiveFacts & { context: PageContext; error: DispatcherError | undefined }) => (
  <Frame context={context} title={directive.title} here="/ui/directives">
    <p class="crumbs">
      <a href="/ui/directives">Directives</a>
    </p>
    <h1>{withHiddenShown(directive.title)}</h1>
    <p class="subtitle muted">
      {withHiddenShown(directive.file)} <Hash sha256={directive.sha256} />
    </p>
    {directive.kind === 'broken' ? (
      <p class="notice-box bad">This directive cannot be used: {withHiddenShown(directive.error)}</p>
    ) : null}
    {directive.kind === 'task' ? (
      <Facts>
        <Fact name="Task type">{directive.frontMatter.taskType}</Fact>
        <Fact name="Project">{directive.frontMatter.projectId === '*' ? 'any' : directive.frontMatter.projectId}</Fact>
        <Fact name="Version">{directive.frontMatter.version}</Fact>
        <Fact name="Owner">{withHiddenShown(directive.frontMatter.owner ?? 'none')}</Fact>
        <Fact name="Acknowledgement">
          {inForce.require_ack === false ? 'none wanted' : <AssuranceBadge assurance={inForce.ack ?? 'client'} />}
        </Fact>
        <Fact name="Attempts">{directive.frontMatter.retry.count + 1}</Fact>
      </Facts>
    ) : null}
    {error === undefined ? null : <Refusal {...publicError(error)} />}
    {trust === null ? null : <TrustForm context={context} entry={trust} />}
    {directive.kind === 'broken' ? null : <article class="directive">{raw(renderMarkdown(directive.body))}</article>}
    <details {...(directive.kind === 'broken' ? { open: true } : {})}>
      <summary>The file as it is</summary>
      <pre class="source" tabindex={0}>
        <code>{withHiddenShown(directive.content)}</code>
      </pre>
    </details>
    {directive.kind === 'task' ? (
      <StartForm
        context={context}
        directive={directive}
        entered={error === undefined ? undefined : context.get('form')}
      />
    ) : null}
    {revisions.length === 0 ? null : <Revisions directive={directive} revisions={revisions} compared={compared} />}
  </Frame>
);

type RevisionsProps = Pick<DirectiveFacts, 'directive' | 'revisions' | 'compared'>;

const Revisions = ({ directive, revisions, compared }: RevisionsProps) => (
  <>
    <h2 id="revisions">Revisions</h2>
    {compared === null ? null : (
      <details open>
        <summary>
          From <Hash sha256={compared.sha256} /> to what is there now
        </summary>
        <WordDiff before={compared.text} after={directive.content} />
      </details>
    )}
    <ul>
      {revisions.map(({ sha256, version, firstSeenAt }) => (
        <li>
          version {version} <Hash sha256={sha256} />, first seen <Ago at={firstSeenAt} />{' '}
          {sha256 === directive.sha256 ? (
            <span class="badge">present</span>
          ) : (
            <a href={`/ui/directives/${encodeURIComponent(directive.id)}?against=${sha256}#revisions`}>compare</a>
          )}
        </li>
      ))}
    </ul>
  </>
);
