// The home at a glance: counts, the last day, what runs, what failed, who works.
import type { Hono } from 'hono';
import type { JudgedProcess } from '../../living.js';
import { type TaskStatus, taskStatuses } from '../../tasks/states.js';
import type { Task } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { pause, resume } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { type Activity, activityOf, DayChart } from './day-chart.js';
import { callOf, type PageContext, type PageEnv } from './env.js';
import { withHiddenShown } from './hidden-characters.js';
import { Csrf, Frame, send } from './layout.js';
import { plainText } from './log.js';
import { TaskCards } from './tasks.js';
import { Ago, Empty, statusText } from './words.js';

const shownOfEach = 5;
const runningShown = 20;

export function addDashboard(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/', async (context) => send(context, <Dashboard context={context} {...(await gather(dispatcher))} />));

  for (const operation of [pause, resume])
    app.post(`/${operation.name}`, async (context) => {
      await invoke(dispatcher, operation, {}, callOf(context));
      return context.redirect('/ui', 303);
    });
}

interface DashboardFacts {
  counts: Record<TaskStatus, number>;
  activity: Activity;
  running: { task: Task; lastLine: string | null }[];
  waiting: Task[];
  broken: Task[];
  processes: JudgedProcess[];
  paused: boolean;
}

async function gather(dispatcher: Dispatcher): Promise<DashboardFacts> {
  const { tasks, logs } = dispatcher.store;
  const list = async (status: TaskStatus, limit = shownOfEach, oldestFirst = false) =>
    (await tasks.list({ status, limit, oldestFirst })).tasks;
  const [counts, running, waiting, toRepair, failed, processes, paused] = await Promise.all([
    tasks.counts(),
    list('running', runningShown),
    list('awaiting_ack', shownOfEach, true),
    list('needs_anneal'),
    list('failed'),
    dispatcher.processes(),
    tasks.paused(),
  ]);
  return {
    counts,
    activity: await activityOf(dispatcher, counts.queued),
    running: await Promise.all(
      running.map(async (task) => ({ task, lastLine: (await logs.tail(task.id, 1)).at(-1)?.text ?? null })),
    ),
    waiting,
    broken: [...toRepair, ...failed].sort((one, other) => other.updatedAt - one.updatedAt).slice(0, shownOfEach),
    processes,
    paused,
  };
}

const Dashboard = ({
  context,
  counts,
  activity,
  running,
  waiting,
  broken,
  processes,
  paused,
}: DashboardFacts & { context: PageContext }) => (
  <Frame context={context} title="Overview" here="/ui" live>
    <h1>Overview</h1>
    <div id="glance" data-live="">
      {paused ? <p class="notice-box">Paused: no run starts until somebody resumes.</p> : null}
      <ul class="tiles">
        {taskStatuses.map((status) => (
          <li>
            <a href={status === 'awaiting_ack' ? '/ui/approvals' : `/ui/tasks?status=${status}`}>
              <strong>{counts[status]}</strong>
              <span>{statusText(status)}</span>
            </a>
          </li>
        ))}
      </ul>
      <h2>The last 24 hours</h2>
      <DayChart {...activity} />
    </div>
    <div id="now" data-live="" {...(running.length > 0 ? { 'data-progress': '' } : {})}>
      <h2>Running now</h2>
      {running.length === 0 ? <Empty>Nothing runs.</Empty> : <Running running={running} />}
      <h2>Waits for you</h2>
      {waiting.length === 0 ? <Empty>Nothing waits for you.</Empty> : <TaskCards tasks={waiting} to="approvals" />}
      <h2>Went wrong lately</h2>
      {broken.length === 0 ? <Empty>Nothing did.</Empty> : <TaskCards tasks={broken} />}
    </div>
    <div id="workers" data-live="">
      <h2>
        Workers{' '}
        <span class="muted">{processes.filter(({ alive, worker }) => alive && worker === 'on').length} alive</span>
      </h2>
      {processes.length === 0 ? <Empty>None has joined.</Empty> : <Processes processes={processes} />}
      <form method="post" action={paused ? '/ui/resume' : '/ui/pause'}>
        <Csrf context={context} />
        <button type="submit" class="quiet">
          {paused ? 'Resume' : 'Pause: let no run start'}
        </button>
      </form>
    </div>
  </Frame>
);

const Running = ({ running }: { running: DashboardFacts['running'] }) => (
  <ul class="cards">
    {running.map(({ task, lastLine }) => (
      <li>
        <a class="card" href={`/ui/tasks/${encodeURIComponent(task.id)}`} data-row="">
          <span class="card-head">
            <strong>{task.taskType}</strong>
            <span class="badge">{task.projectId}</span>
            <code>{task.id}</code>
            {task.startedAt === null ? null : <Ago at={task.startedAt} />}
          </span>
          <progress
            max={100}
            aria-label={`Progress of ${task.id}`}
            {...(task.progress === null ? {} : { value: task.progress })}
          />
          <span class="card-body">
            {task.progressText === null ? null : <span>{withHiddenShown(task.progressText)}</span>}
            {lastLine === null ? null : <code>{plainText(lastLine).slice(0, 200)}</code>}
          </span>
        </a>
      </li>
    ))}
  </ul>
);

const Processes = ({ processes }: { processes: JudgedProcess[] }) => (
  <section class="scroll" tabindex={0} aria-label="Processes">
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">Process</th>
          <th scope="col">Worker</th>
          <th scope="col">Where</th>
          <th scope="col">Version</th>
          <th scope="col">Last sign of life</th>
        </tr>
      </thead>
      <tbody>
        {processes.map((row) => (
          <tr>
            <td data-name="Process">
              doe {row.kind} <span class="muted">pid {row.pid}</span>
            </td>
            <td data-name="Worker">
              {row.alive ? (
                <span class={`badge ${row.worker === 'on' ? 'status-succeeded' : ''}`}>{row.worker}</span>
              ) : (
                <span class="badge status-failed">no sign of life</span>
              )}
            </td>
            <td data-name="Where">
              {row.host}
              {row.address === null ? '' : `, ${row.address}`}
            </td>
            <td data-name="Version">{row.version}</td>
            <td data-name="Last sign of life">
              <Ago at={row.beatAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
);
