// The audit trail: who did what, through which door, with which key.
import type { Hono } from 'hono';
import type { Event } from '../../queue/store.js';
import { personOf } from '../../tools/audit.js';
import type { Dispatcher } from '../../tools/dispatcher.js';
import { verifyAudit } from '../../tools/index.js';
import { invoke } from '../../tools/operation.js';
import { callOf, type PageContext, type PageEnv } from './env.js';
import { eventDetail, eventText, eventTone, eventTypes } from './events.js';
import { Csrf, Frame, send } from './layout.js';
import { plainText } from './log.js';
import { At, Empty, Fact, Facts, Hash, prettyJson } from './words.js';

const shownAtOnce = 100;
/** How far back one look goes where a filter leaves little over. */
const mostRead = 5000;

interface Wanted {
  task: string;
  type: string;
  actor: string;
}

export function addAudit(app: Hono<PageEnv>, dispatcher: Dispatcher): void {
  app.get('/audit', async (context) => {
    const query = (name: string) => context.req.query(name)?.trim() ?? '';
    const wanted = { task: query('task'), type: query('type'), actor: query('actor') };
    const before = Number(query('before') || Number.NaN);
    const { events, next } = await newestEvents(dispatcher, wanted, Number.isSafeInteger(before) ? before : null);
    return send(context, <AuditPage context={context} wanted={wanted} events={events} next={next} />);
  });

  app.post('/audit/verify', async (context) =>
    send(context, <ReportPage context={context} report={await invoke(dispatcher, verifyAudit, {}, callOf(context))} />),
  );
}

/** The newest events that fit, newest first, and the seq below which the next look begins; null at the very beginning. */
async function newestEvents({ store: { ledger } }: Dispatcher, wanted: Wanted, before: number | null) {
  const fits = ({ taskId, type, actorId }: Event) =>
    (wanted.task === '' || taskId === wanted.task) &&
    (wanted.type === '' || type === wanted.type) &&
    (wanted.actor === '' || actorId === wanted.actor);
  const found: Event[] = [];
  let end = before ?? (await ledger.newestSeq()) + 1;
  for (let read = 0; read < mostRead && end > 1 && found.length < shownAtOnce; read += shownAtOnce) {
    const start = Math.max(1, end - shownAtOnce);
    const stretch = (await ledger.changes(start - 1, end - start)).filter(({ seq }) => seq < end);
    found.push(...stretch.reverse().filter(fits));
    end = start;
  }
  return { events: found, next: end > 1 ? end : null };
}

interface AuditProps {
  context: PageContext;
  wanted: Wanted;
  events: Event[];
  next: number | null;
}

const AuditPage = ({ context, wanted, events, next }: AuditProps) => (
  <Frame context={context} title="Audit" here="/ui/audit">
    <h1>Audit</h1>
    <div class="row apart">
      <form method="get" action="/ui/audit" class="row">
        <div>
          <label for="task">Task</label>
          <input id="task" name="task" value={wanted.task} spellcheck={false} />
        </div>
        <div>
          <label for="type">Event</label>
          <select id="type" name="type">
            <option value="">any</option>
            {eventTypes(wanted.type).map((type) => (
              <option value={type} selected={type === wanted.type}>
                {eventText({ type })}
              </option>
            ))}
          </select>
        </div>
        <div>
          <label for="actor">Actor</label>
          <input id="actor" name="actor" value={wanted.actor} spellcheck={false} />
        </div>
        <button type="submit">Show</button>
      </form>
      <form method="post" action="/ui/audit/verify">
        <Csrf context={context} />
        <button type="submit" class="quiet">
          Verify the whole trail
        </button>
      </form>
    </div>
    {events.length === 0 ? <Empty>Nothing fits in this stretch.</Empty> : <Events events={events} />}
    {next === null ? null : (
      <p>
        <a href={`/ui/audit?${new URLSearchParams({ ...wanted, before: String(next) })}`}>Older ones</a>
      </p>
    )}
  </Frame>
);

type Report = Awaited<ReturnType<typeof verifyAudit.run>>;

const ReportPage = ({ context, report }: { context: PageContext; report: Report }) => (
  <Frame context={context} title="Audit" here="/ui/audit">
    <p class="crumbs">
      <a href="/ui/audit">Audit</a>
    </p>
    <h1>{report.intact ? 'The trail holds' : 'The trail was altered'}</h1>
    <Facts>
      <Fact name="Events">{report.events}</Fact>
      <Fact name="Seals">{report.seals}</Fact>
      <Fact name="Sealed up to event">{report.sealed_up_to}</Fact>
      <Fact name="Newest seal">{report.seal_hash === null ? 'none' : <code>{report.seal_hash}</code>}</Fact>
    </Facts>
    {report.intact && report.seal_hash !== null ? (
      <p>Keep the newest seal somewhere else: it shows later that nothing before it was rewritten.</p>
    ) : null}
    {report.intact ? null : <pre tabindex={0}>{plainText(prettyJson(report.faults))}</pre>}
  </Frame>
);

const Events = ({ events }: { events: Event[] }) => (
  <section class="scroll" tabindex={0} aria-label="Events">
    <table class="stack">
      <thead>
        <tr>
          <th scope="col">When</th>
          <th scope="col">What</th>
          <th scope="col">Task</th>
          <th scope="col">Who</th>
          <th scope="col">Hash</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => (
          <tr>
            <td class="nowrap" data-name="When">
              <At at={event.at} />
            </td>
            <td data-name="What">
              <strong class={eventTone(event)}>{eventText(event)}</strong> {plainText(eventDetail(event))}
              <details class="inline">
                <summary>{event.type}</summary>
                <pre tabindex={0}>{plainText(prettyJson(event.data))}</pre>
              </details>
            </td>
            <td data-name="Task">
              {event.taskId === null ? (
                ''
              ) : (
                <a href={`/ui/tasks/${encodeURIComponent(event.taskId)}`}>{event.taskId}</a>
              )}
            </td>
            <td data-name="Who">
              {event.actorId}{' '}
              <span class="muted">
                {event.principal}, {event.channel}
                {event.assurance === null ? '' : `, as ${event.assurance}`}
                {personOf(event) === null ? '' : `, key of ${personOf(event)}`}
              </span>
            </td>
            <td data-name="Hash">
              <Hash sha256={event.hash} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  </section>
);
