// Tasks: the list, and one with its way, its log and what can be done with it.
import type { Hono } from 'hono';
import type { JsonObject } from '../../tasks/outcome.js';
import { settledStatuses, taskStatuses } from '../../tasks/states.js';
import type { Task } from '../../tasks/task.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { cancelTask, createTask, listTasks, retryTask } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { requireTask } from '../../tools/views.js';
import { actorOf, callOf, type PageContext, type PageEnv } from './env.js';
import { Frame, send } from './layout.js';
import { downloadLog, plainText, streamLog } from './log.js';
import { TaskPage } from './task.js';
import { Ago, Empty, Status, statusText } from './words.js';

const shownAtOnce = 50;
const linesShown = 300;
const eventsShown = 300;

export function addTasks(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  const { store } = dispatcher;
  const at = (context: PageContext, taskId: string) => context.redirect(`/ui/tasks/${encodeURIComponent(taskId)}`, 303);
  const idOf = (context: PageContext) => context.req.param('id') ?? '';

  app.get('/tasks', async (context) => {
    const wanted = Object.fromEntries(
      ['status', 'project_id', 'task_type', 'cursor']
        .map((name) => [name, context.req.query(name) ?? ''])
        .filter(([, value]) => value !== ''),
    ) as Record<string, string>;
    const call = callOf(context);
    await invoke(dispatcher, listTasks, { ...wanted, limit: 1 }, call);
    const page = await store.tasks.list({
      status: taskStatuses.find((status) => status === wanted.status),
      projectId: wanted.project_id,
      taskType: wanted.task_type,
      cursor: wanted.cursor,
      limit: shownAtOnce,
    });
    return send(context, <TaskList context={context} wanted={wanted} {...page} />);
  });

  app.get('/tasks/:id', async (context) => {
    const task = await requireTask(dispatcher, idOf(context));
    const [events, runs, acks, lines] = await Promise.all([
      store.ledger.events({ taskId: task.id, limit: eventsShown + 1, newest: true }),
      store.tasks.runs(task.id),
      store.people.acks(task.id),
      store.logs.tail(task.id, linesShown),
    ]);
    return send(
      context,
      <TaskPage
        {...{ context, task, runs, acks, lines }}
        events={events.slice(-eventsShown)}
        hasEarlier={events.length > eventsShown}
      />,
    );
  });

  app.get('/tasks/:id/log', (context) => streamLog(context, dispatcher));
  app.get('/tasks/:id/log.txt', (context) => downloadLog(context, dispatcher));

  app.post('/tasks/:id/cancel', async (context) => {
    await invoke(dispatcher, cancelTask, { task_id: idOf(context), actor_id: actorOf(context) }, callOf(context));
    return at(context, idOf(context));
  });

  app.post('/tasks/:id/retry', async (context) => {
    await invoke(dispatcher, retryTask, { task_id: idOf(context), actor_id: actorOf(context) }, callOf(context));
    return context.redirect(`/ui/approvals/${encodeURIComponent(idOf(context))}`, 303);
  });

  /** The same work once more is a new task with an acknowledgement of its own. */
  app.post('/tasks/:id/again', async (context) => {
    const { taskType, projectId, payloadJson } = await requireTask(dispatcher, idOf(context));
    const again = { task_type: taskType, project_id: projectId, actor_id: actorOf(context) };
    const payload_json = JSON.parse(payloadJson) as JsonObject;
    const created = await invoke(dispatcher, createTask, { ...again, payload_json }, callOf(context));
    return context.redirect(`/ui/approvals/${encodeURIComponent(created.task_id)}`, 303);
  });
}

interface TaskListProps {
  context: PageContext;
  wanted: Record<string, string>;
  tasks: Task[];
  nextCursor: string | null;
}

const TaskList = ({ context, wanted, tasks, nextCursor }: TaskListProps) => (
  <Frame context={context} title="Tasks" here="/ui/tasks" live>
    <h1>Tasks</h1>
    <form method="get" action="/ui/tasks" class="row">
      <div>
        <label for="status">State</label>
        <select id="status" name="status">
          <option value="">any</option>
          {taskStatuses.map((status) => (
            <option value={status} selected={status === wanted.status}>
              {statusText(status)}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label for="task_type">Task type</label>
        <input id="task_type" name="task_type" value={wanted.task_type ?? ''} />
      </div>
      <div>
        <label for="project_id">Project</label>
        <input id="project_id" name="project_id" value={wanted.project_id ?? ''} />
      </div>
      <button type="submit">Show</button>
    </form>
    <div id="tasks" data-live="">
      {tasks.length === 0 ? <Empty>No task fits.</Empty> : <TaskCards tasks={tasks} />}
      {nextCursor === null ? null : (
        <p>
          <a href={`/ui/tasks?${new URLSearchParams({ ...wanted, cursor: nextCursor })}`}>Older ones</a>
        </p>
      )}
    </div>
  </Frame>
);

/** @param to where a card leads: to the task, or to the decision over it */
export const TaskCards = ({ tasks, to = 'tasks' }: { tasks: Task[]; to?: 'tasks' | 'approvals' }) => (
  <ul class="cards">
    {tasks.map((task) => (
      <li>
        <a class="card" href={`/ui/${to}/${encodeURIComponent(task.id)}`} data-row="">
          <span class="card-head">
            <Status status={task.status} />
            <strong>{task.taskType}</strong>
            <span class="badge">{task.projectId}</span>
            <Ago at={task.updatedAt} />
          </span>
          <span class="card-body">
            <code>{task.id}</code>
            {task.statusReason === null ? null : (
              <span class={settledStatuses.includes(task.status) ? 'muted' : 'warn'}>
                {plainText(task.statusReason)}
              </span>
            )}
          </span>
        </a>
      </li>
    ))}
  </ul>
);
