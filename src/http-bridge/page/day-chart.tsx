// The last 24 hours as plain SVG from the server: ended runs by outcome, an hour a bar, and how deep the queue was.
import type { Outcome } from '../../tasks/outcome.js';
import type { Dispatcher } from '../../tools/dispatcher.js';

const hourMs = 3_600_000;
const hours = 24;

interface Hour {
  succeeded: number;
  failed: number;
  other: number;
}

export interface Activity {
  /** Oldest first; the last one is the present hour. */
  bars: Hour[];
  /** How many tasks were queued at the end of each hour. */
  depths: number[];
  firstHourAt: number;
}

const groupOf = (outcome: Outcome): keyof Hour => {
  if (outcome === 'succeeded') return 'succeeded';
  return outcome === 'failed' || outcome === 'timed_out' ? 'failed' : 'other';
};

/** @param queued how many tasks are queued now */
export async function activityOf({ store }: Pick<Dispatcher, 'store'>, queued: number): Promise<Activity> {
  const firstHourAt = (Math.floor((await store.now()) / hourMs) - hours + 1) * hourMs;
  const bars: Hour[] = Array.from({ length: hours }, () => ({ succeeded: 0, failed: 0, other: 0 }));
  for (const { at, outcome, count } of await store.tasks.endedRuns(firstHourAt, hourMs)) {
    const bar = bars[Math.round((at - firstHourAt) / hourMs)];
    if (bar !== undefined) bar[groupOf(outcome)] += count;
  }
  return { bars, firstHourAt, depths: await depthsOf(store, firstHourAt, queued) };
}

/** Counted back from what is queued now. */
async function depthsOf(store: Dispatcher['store'], firstHourAt: number, queued: number): Promise<number[]> {
  const changes = new Map((await store.tasks.queueChanges(firstHourAt, hourMs)).map(({ at, change }) => [at, change]));
  const depths: number[] = [];
  let depth = queued;
  for (let hour = hours - 1; hour >= 0; hour--) {
    depths.unshift(Math.max(0, depth));
    depth -= changes.get(firstHourAt + hour * hourMs) ?? 0;
  }
  return depths;
}

/** The drawing is stretched to the window; what is read stands beside it as text. */
const width = 1152;
const height = 100;
const step = width / hours;
const names: readonly (keyof Hour)[] = ['succeeded', 'failed', 'other'];

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

export const DayChart = ({ bars, depths, firstHourAt }: Activity) => {
  const totals = bars.map(({ succeeded, failed, other }) => succeeded + failed + other);
  const most = Math.max(0, ...totals);
  const sum = (of: (bar: Hour) => number) => bars.reduce((one, bar) => one + of(bar), 0);
  const ended = sum(({ succeeded, failed, other }) => succeeded + failed + other);
  const deepest = Math.max(0, ...depths);
  return (
    <figure class="day">
      <svg
        class="chart"
        viewBox={`0 0 ${width} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${counted(ended, 'run')} ended in the last 24 hours, ${sum(({ failed }) => failed)} of them failed; at most ${most} in an hour. At most ${counted(deepest, 'task')} queued at an hour’s end.`}
      >
        {bars.map((bar, index) => {
          let y = height;
          return names.map((name) => {
            const size = (bar[name] / Math.max(1, most)) * height;
            y -= size;
            return size === 0 ? null : (
              <rect class={name} x={index * step + 3} y={y.toFixed(1)} width={step - 6} height={size.toFixed(1)} />
            );
          });
        })}
        {deepest === 0 ? null : (
          <polyline
            class="depth"
            points={depths
              .map((depth, hour) => `${(hour + 0.5) * step},${(height - (depth / deepest) * (height - 4)).toFixed(1)}`)
              .join(' ')}
          />
        )}
      </svg>
      <div class="hours" aria-hidden="true">
        {bars.flatMap((_, index) => (index % 6 === 0 ? [<span>{hourText(firstHourAt + index * hourMs)}</span>] : []))}
      </div>
      <figcaption>
        {names.map((name) => (
          <span class={`key ${name}`}>
            {sum((bar) => bar[name])} {name}
          </span>
        ))}
        <span class="key depth">queued, at most {deepest}</span>
        <span>hours in UTC, at most {counted(most, 'run')} in one</span>
      </figcaption>
    </figure>
  );
};

const hourText = (at: number): string => `${String(new Date(at).getUTCHours()).padStart(2, '0')}:00`;
