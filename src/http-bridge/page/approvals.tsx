// The inbox: what waits for a person, oldest first.
import type { Hono } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Directive, TaskDirective } from '../../directives/index.js';
import { type EffectivePolicy, effectivePolicy } from '../../directives/policy.js';
import { DispatcherError, httpStatus, publicError } from '../../errors.js';
import type { Task } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { acknowledge } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { finishApproval } from '../../tools/passkeys.js';
import { requireTask } from '../../tools/views.js';
import { createInterpreters } from '../../worker/interpreters.js';
import { ApprovalPage } from './approval.js';
import { approvalFacts, type Sources } from './approval-facts.js';
import { actorOf, callOf, type PageContext, type PageEnv } from './env.js';
import type { Form } from './form.js';
import { Frame, send } from './layout.js';
import { plainText } from './log.js';
import { partyOf, touchIn } from './passkeys.js';
import { Ago, AskedBy, Empty } from './words.js';

const shownAtOnce = 25;

export function addApprovals(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  const { home, variables } = dispatcher.config;
  const sources = { dispatcher, interpreters: createInterpreters(home, variables) };

  app.get('/approvals', async (context) => {
    const cursor = context.req.query('cursor');
    const page = await dispatcher.store.tasks.list({
      status: 'awaiting_ack',
      limit: shownAtOnce,
      oldestFirst: true,
      cursor,
    });
    const directives = await dispatcher.directives.list();
    const waiting = await Promise.all(page.tasks.map((task) => withPolicy(dispatcher, task, directives)));
    return send(context, <Inbox context={context} waiting={waiting} nextCursor={page.nextCursor} />);
  });

  app.get('/approvals/:id', async (context) => show(context, sources));

  app.post('/approvals/:id/approve', (context) =>
    decide(context, sources, async (task, form) => {
      const touch = touchIn(form);
      if (touch === null && form.get('typed')?.trim() !== task.id)
        throw new DispatcherError('invalid_input', `What was typed is not the task’s id, ${task.id}.`, {
          hint: 'Type the id as it stands at the top; that is your yes to this very task.',
        });
      const call = callOf(context);
      const evidence =
        touch === null ? undefined : await finishApproval(dispatcher, task, { party: partyOf(context), touch, call });
      await invoke(
        dispatcher,
        acknowledge,
        {
          task_id: task.id,
          actor_id: evidence?.owner ?? actorOf(context),
          binding: form.get('binding') ?? '',
          ...answersOf(form),
          decision: 'approve',
        },
        { ...call, evidence },
      );
    }),
  );

  app.post('/approvals/:id/reject', (context) =>
    decide(context, sources, async (task, form) => {
      const reason = form.get('reason')?.trim();
      await invoke(
        dispatcher,
        acknowledge,
        {
          task_id: task.id,
          actor_id: actorOf(context),
          decision: 'reject',
          ...(reason === undefined || reason === '' ? {} : { reason }),
        },
        callOf(context),
      );
    }),
  );

  /** Pins what is there now. No binding can equal the empty one, so this can never approve. */
  app.post('/approvals/:id/look-again', (context) =>
    decide(context, sources, async (task) => {
      await invoke(
        dispatcher,
        acknowledge,
        { task_id: task.id, actor_id: actorOf(context), binding: '' },
        callOf(context),
      );
    }),
  );
}

function answersOf(form: Form): { answers_json?: string[] } {
  const answers: string[] = [];
  for (let index = 0; form.has(`answer-${index}`); index++) answers.push(form.get(`answer-${index}`) ?? '');
  return answers.length === 0 ? {} : { answers_json: answers };
}

async function decide(
  context: PageContext,
  sources: Sources,
  decision: (task: Task, form: Form) => Promise<void>,
): Promise<Response> {
  const { dispatcher } = sources;
  const taskId = context.req.param('id') ?? '';
  try {
    await decision(await requireTask(dispatcher, taskId), context.get('form'));
    // One consent of several leaves the task waiting: what is missing stands on its approval.
    const { status } = await requireTask(dispatcher, taskId);
    const next = status === 'awaiting_ack' ? 'approvals' : 'tasks';
    return context.redirect(`/ui/${next}/${encodeURIComponent(taskId)}`, 303);
  } catch (error) {
    if (!(error instanceof DispatcherError) || error.code === 'task_not_found') throw error;
    return show(context, sources, error);
  }
}

async function show(context: PageContext, sources: Sources, error?: DispatcherError): Promise<Response> {
  const task = await requireTask(sources.dispatcher, context.req.param('id') ?? '');
  if (task.status !== 'awaiting_ack' && error === undefined)
    return context.redirect(`/ui/tasks/${encodeURIComponent(task.id)}`, 303);
  const facts = await approvalFacts(sources, task, context);
  const refusal = error === undefined ? undefined : publicError(error);
  const entered = error === undefined ? undefined : context.get('form');
  return send(
    context,
    <ApprovalPage context={context} facts={facts} refusal={refusal} entered={entered} />,
    error === undefined ? 200 : (httpStatus(error.code) as ContentfulStatusCode),
  );
}

interface Waiting {
  task: Task;
  /** Null where it cannot be used. */
  directive: TaskDirective | null;
  policy: EffectivePolicy | null;
}

/** The directive as the disk has it, with the policy in force for the script that the task is pinned to: no script is read for a list. */
async function withPolicy({ store, config }: Dispatcher, task: Task, directives: Directive[]): Promise<Waiting> {
  const directive = directives.find(({ id }) => id === task.pins.directiveId);
  if (directive?.kind !== 'task') return { task, directive: null, policy: null };
  const { id, sha256, frontMatter } = directive;
  const { scriptSha256 } = task.pins;
  const trusted = await store.people.isTrusted({ kind: 'directive', id, sha256, scriptSha256 });
  return { task, directive, policy: effectivePolicy(frontMatter, trusted, config.minAck) };
}

interface InboxProps {
  context: PageContext;
  waiting: Waiting[];
  nextCursor: string | null;
}

const Inbox = ({ context, waiting, nextCursor }: InboxProps) => (
  <Frame context={context} title="Approvals" here="/ui/approvals" live>
    <h1>Approvals</h1>
    <div id="inbox" data-live="">
      {waiting.length === 0 ? (
        <Empty>Nothing waits for you.</Empty>
      ) : (
        <ul class="cards">
          {waiting.map((one) => (
            <Row {...one} />
          ))}
        </ul>
      )}
      {nextCursor === null ? null : (
        <p>
          <a href={`/ui/approvals?cursor=${encodeURIComponent(nextCursor)}`}>Younger ones</a>
        </p>
      )}
    </div>
    <div class="row">
      <p class="keys">
        <kbd>j</kbd> <kbd>k</kbd> move, <kbd>Enter</kbd> opens
      </p>
      <button type="button" class="quiet" data-notify="" hidden>
        Tell me when something waits
      </button>
    </div>
  </Frame>
);

const Row = ({ task, ...more }: Waiting) => (
  <li>
    <a class="card" href={`/ui/approvals/${encodeURIComponent(task.id)}`} data-row="">
      <span class="card-head">
        <strong>{task.taskType}</strong>
        <span class="badge">{task.projectId}</span>
        {risksOf({ task, ...more }).map(({ text, tone }) => (
          <span class={`badge ${tone}`}>{text}</span>
        ))}
        <Ago at={task.createdAt} />
      </span>
      <span class="card-body">
        <code>{task.id}</code>
        <span>
          by <AskedBy task={task} />
        </span>
        {task.statusReason === null ? null : <span class="warn">{plainText(task.statusReason)}</span>}
      </span>
    </a>
  </li>
);

/** What one would want to know before opening it; the page of the task itself has the whole. */
function risksOf({ task, directive, policy }: Waiting): { text: string; tone: string }[] {
  if (directive === null || policy === null) return [{ text: 'directive cannot be used', tone: 'status-failed' }];
  const { secrets, integrations } = directive.frontMatter;
  const { ack: wanted, quorum } = policy;
  const counted = (count: number, what: string) => (count === 1 ? `1 ${what}` : `${count} ${what}s`);
  const reach = [
    secrets.length === 0 ? '' : counted(secrets.length, 'secret'),
    integrations.length === 0 ? '' : counted(integrations.length, 'integration'),
  ].filter(Boolean);
  return [
    { text: quorum > 1 ? `needs ${wanted} of ${quorum} people` : `needs ${wanted}`, tone: `assurance-${wanted}` },
    ...(reach.length === 0 ? [] : [{ text: `asks for ${reach.join(', ')}`, tone: 'status-awaiting_ack' }]),
    ...(directive.sha256 === task.pins.directiveSha256
      ? []
      : [{ text: 'directive changed since', tone: 'status-awaiting_ack' }]),
  ];
}
