// The page's small words: times, states, hashes, and how they look everywhere.
import { isoTime } from '../../clock.js';
import type { TaskStatus } from '../../tasks/states.js';
import type { Assurance, Task } from '../../tasks/task.js';
import { withHiddenShown } from './hidden-characters.js';

const units: readonly [number, string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1000, 's'],
];

/** `2 h 5 min`, at most two units. */
export function durationText(ms: number): string {
  const at = units.findIndex(([size]) => ms >= size);
  if (at === -1) return ms < 1 ? '0 s' : `${Math.round(ms)} ms`;
  const [size, name] = units[at] as [number, string];
  const next = units[at + 1];
  const rest = next === undefined ? 0 : Math.floor((ms % size) / next[0]);
  return `${Math.floor(ms / size)} ${name}${rest === 0 || next === undefined ? '' : ` ${rest} ${next[1]}`}`;
}

const agoText = (ms: number): string => {
  if (ms < -1000) return `in ${durationText(-ms).split(' ').slice(0, 2).join(' ')}`;
  return ms < 5000 ? 'just now' : `${durationText(ms).split(' ').slice(0, 2).join(' ')} ago`;
};

/** How long ago; the exact time is in the title, and the script keeps it fresh. */
export const Ago = ({ at }: { at: number }) => (
  <time datetime={isoTime(at)} title={isoTime(at)} data-ago={String(at)}>
    {agoText(Date.now() - at)}
  </time>
);

/** The exact time in UTC. */
export const At = ({ at }: { at: number }) => (
  <time datetime={isoTime(at)}>
    {isoTime(at)
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ' UTC')}
  </time>
);

const statusTexts: Record<TaskStatus, string> = {
  awaiting_ack: 'awaits approval',
  queued: 'queued',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  needs_anneal: 'needs repair',
  cancelled: 'cancelled',
};

export const statusText = (status: TaskStatus): string => statusTexts[status];

export const Status = ({ status }: { status: TaskStatus }) => (
  <span class={`badge status-${status}`}>{statusTexts[status]}</span>
);

export const AssuranceBadge = ({ assurance }: { assurance: Assurance }) => (
  <span class={`badge assurance-${assurance}`}>{assurance}</span>
);

/** Who asked for a task, as he calls himself, and by which way in. */
export const AskedBy = ({ task: { actorId, principal, channel } }: { task: Task }) => (
  <>
    {withHiddenShown(actorId)}{' '}
    <span class="muted">
      ({principal} over {channel})
    </span>
  </>
);

export const Hash = ({ sha256 }: { sha256: string }) => (
  <code class="hash" title={sha256}>
    {sha256.slice(0, 12)}
  </code>
);

export const Empty = ({ children }: { children: unknown }) => <p class="empty">{children}</p>;

/** What stands between backticks is a command or a setting. */
const Coded = ({ text }: { text: string }) => (
  <>{text.split('`').map((part, index) => (index % 2 === 1 ? <code>{part}</code> : part))}</>
);

/** A refusal in words: what failed, why, what to do. */
export const Refusal = ({ error, hint, code }: { error: string; hint?: string | undefined; code: string }) => (
  <div class="notice-box bad" role="alert">
    <p>
      <strong>
        <Coded text={error} />
      </strong>
    </p>
    {hint === undefined ? null : (
      <p>
        <Coded text={hint} />
      </p>
    )}
    <p>
      <small>
        <code>{code}</code>
      </small>
    </p>
  </div>
);

/** Names and values, side by side. */
export const Facts = ({ children }: { children: unknown }) => <dl class="facts">{children}</dl>;

export const Fact = ({ name, children }: { name: string; children: unknown }) => (
  <div>
    <dt>{name}</dt>
    <dd>{children}</dd>
  </div>
);

/** JSON for people, keys in the order that they have. */
export const prettyJson = (value: unknown): string => JSON.stringify(value, null, 2);
