// One task: where it stands, what can be done, its way, its runs, its log.
import type { Event, RunRow } from '../../queue/store.js';
import { movesFrom, settledStatuses } from '../../tasks/states.js';
import { type Ack, type LogLine, type Task, visiblePayload } from '../../tasks/task.js';
import { personOf } from '../../tools/audit.js';
import type { PageContext } from './env.js';
import { eventDetail, eventText, eventTone } from './events.js';
import { Csrf, Frame } from './layout.js';
import { LogLines, plainText } from './log.js';
import { Payload, Source } from './payload.js';
import { Ago, AskedBy, AssuranceBadge, At, durationText, Fact, Facts, Hash, prettyJson, Status } from './words.js';

interface TaskPageProps {
  context: PageContext;
  task: Task;
  /** The newest ones. */
  events: Event[];
  hasEarlier: boolean;
  runs: RunRow[];
  acks: Ack[];
  lines: LogLine[];
}

export const TaskPage = ({ context, task, events, hasEarlier, runs, acks, lines }: TaskPageProps) => (
  <Frame context={context} title={task.id} here="/ui/tasks" live task={task.id}>
    <p class="crumbs">
      <a href="/ui/tasks">Tasks</a>
    </p>
    <h1>{task.taskType}</h1>
    <div id="state" data-live="" {...(task.status === 'running' ? { 'data-progress': '' } : {})}>
      <p class="subtitle row">
        <code>{task.id}</code> <Status status={task.status} />
        {task.assurance === null ? null : <AssuranceBadge assurance={task.assurance} />}
      </p>
      {task.statusReason === null ? null : <p class="warn">{plainText(task.statusReason)}</p>}
      {task.status === 'running' ? <Progress task={task} /> : null}
      <Actions context={context} task={task} />
      <Facts>
        <Fact name="Project">{task.projectId}</Fact>
        <Fact name="Directive">
          <a href={`/ui/directives/${encodeURIComponent(task.pins.directiveId)}`}>{task.pins.directiveId}</a>, version{' '}
          {task.pins.directiveVersion} <Hash sha256={task.pins.directiveSha256} />
        </Fact>
        <Fact name="Asked for by">
          <AskedBy task={task} />
        </Fact>
        <Fact name="Attempts">
          {task.attempts} of {task.policy.maxAttempts}
        </Fact>
        <Fact name="Created">
          <Ago at={task.createdAt} />
        </Fact>
        {task.startedAt === null || task.finishedAt === null ? null : (
          <Fact name="Took">{durationText(task.finishedAt - task.startedAt)}</Fact>
        )}
        {task.runAfter === null ? null : (
          <Fact name="Not before">
            <At at={task.runAfter} />
          </Fact>
        )}
      </Facts>
      {task.result === undefined || task.result === null ? null : (
        <>
          <h2>Result</h2>
          <Source text={prettyJson(task.result)} name="result.json" />
        </>
      )}
    </div>

    <h2 id="log-title">Log</h2>
    <div class="row log-bar" data-log-bar="" hidden>
      <input type="search" aria-label="Search the log" placeholder="Search" data-log-search="" />
      <button type="button" class="quiet" data-log-follow="" aria-pressed="true">
        Follow
      </button>
      <button type="button" class="quiet" data-log-pause="" aria-pressed="false">
        Pause
      </button>
      <span class="muted" data-log-count="" role="status" />
    </div>
    <div
      class="log"
      tabindex={0}
      role="log"
      aria-live="off"
      aria-labelledby="log-title"
      data-log={`/ui/tasks/${encodeURIComponent(task.id)}/log`}
    >
      {lines.length === 0 ? null : <LogLines lines={lines} />}
    </div>
    <p>
      <a href={`/ui/tasks/${encodeURIComponent(task.id)}/log.txt`}>Download the whole log</a>
    </p>

    <h2>Payload</h2>
    <Payload payload={visiblePayload(task)} />

    <div id="way" data-live="">
      <h2>Its way</h2>
      {hasEarlier ? (
        <p class="muted">
          The latest {events.length} steps; earlier ones stand in the{' '}
          <a href={`/ui/audit?task=${encodeURIComponent(task.id)}`}>audit trail</a>.
        </p>
      ) : null}
      <ol class="timeline">
        {events.map((event) => (
          <li class={eventTone(event)}>
            <strong>{eventText(event)}</strong> by {event.actorId}{' '}
            <span class="muted">
              (<At at={event.at} />
              {event.assurance === null ? '' : `, as ${event.assurance}`}
              {`, ${event.channel}`}
              {personOf(event) === null ? '' : `, key of ${personOf(event)}`})
            </span>
            {eventDetail(event) === '' ? null : <div>{plainText(eventDetail(event))}</div>}
          </li>
        ))}
      </ol>
      {runs.length === 0 ? null : <Runs runs={runs} />}
      {acks.length === 0 ? null : <Acks acks={acks} />}
    </div>
  </Frame>
);

const Progress = ({ task }: { task: Task }) => (
  <p>
    <progress max={100} aria-label="Progress" {...(task.progress === null ? {} : { value: task.progress })} />
    <span class="muted">
      {task.progress === null ? 'running' : `${Math.round(task.progress)} %`} {plainText(task.progressText ?? '')}
    </span>
  </p>
);

const Actions = ({ context, task }: { context: PageContext; task: Task }) => {
  const path = `/ui/tasks/${encodeURIComponent(task.id)}`;
  const change = (verb: string, label: string, tone = 'quiet') => (
    <form method="post" action={`${path}/${verb}`}>
      <Csrf context={context} />
      <button type="submit" class={tone}>
        {label}
      </button>
    </form>
  );
  return (
    <div class="row">
      {task.status === 'awaiting_ack' ? (
        <a class="button" href={`/ui/approvals/${encodeURIComponent(task.id)}`}>
          Decide
        </a>
      ) : null}
      {task.status === 'needs_anneal' && task.aid !== null ? (
        <a class="button" href={`/ui/anneals/${encodeURIComponent(task.aid)}`}>
          Look at the repair
        </a>
      ) : null}
      {movesFrom('retried').includes(task.status) ? change('retry', 'Retry this task') : null}
      {settledStatuses.includes(task.status) ? change('again', 'Run again as a new task') : null}
      {movesFrom('cancelled').includes(task.status) ? change('cancel', 'Cancel', 'bad') : null}
    </div>
  );
};

const Runs = ({ runs }: { runs: RunRow[] }) => (
  <>
    <h2>Runs</h2>
    <section class="scroll" tabindex={0} aria-label="Runs">
      <table class="stack">
        <thead>
          <tr>
            <th scope="col">Attempt</th>
            <th scope="col">Outcome</th>
            <th scope="col">Began</th>
            <th scope="col">Took</th>
            <th scope="col">Exit</th>
            <th scope="col">Script</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr>
              <td data-name="Attempt">{run.attempt}</td>
              <td data-name="Outcome">
                <span class={`badge outcome-${run.outcome ?? 'running'}`}>
                  {(run.outcome ?? 'running').replace('_', ' ')}
                </span>
              </td>
              <td data-name="Began">
                <At at={run.startedAt} />
              </td>
              <td data-name="Took">{run.finishedAt === null ? '' : durationText(run.finishedAt - run.startedAt)}</td>
              <td data-name="Exit">{run.exitCode ?? run.signal ?? ''}</td>
              <td data-name="Script">
                <Hash sha256={run.scriptSha256} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  </>
);

const stateOf = (ack: Ack): string => {
  if (ack.revokedAt !== null) return 'revoked';
  return ack.spentAt === null ? 'valid until' : 'spent';
};

const Acks = ({ acks }: { acks: Ack[] }) => (
  <>
    <h2>Approvals</h2>
    <ul>
      {acks.map((ack) => (
        <li>
          {ack.actorId} as <AssuranceBadge assurance={ack.assurance} />, <At at={ack.issuedAt} />; {stateOf(ack)}{' '}
          {stateOf(ack) === 'valid until' ? <At at={ack.expiresAt} /> : ''}
          {ack.answers.length === 0 ? null : (
            <ol>
              {ack.answers.map((answer) => (
                <li>{plainText(typeof answer === 'string' ? answer : prettyJson(answer))}</li>
              ))}
            </ol>
          )}
        </li>
      ))}
    </ul>
  </>
);
