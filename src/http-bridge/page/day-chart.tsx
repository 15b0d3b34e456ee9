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

const width = 1152;
const height = 130;
const base = 108;
const step = width / hours;
const names: readonly (keyof Hour)[] = ['succeeded', 'failed', 'other'];

export const DayChart = ({ bars, depths, firstHourAt }: Activity) => {
  const totals = bars.map(({ succeeded, failed, other }) => succeeded + failed + other);
  const most = Math.max(1, ...totals);
  const sum = totals.reduce((one, other) => one + other, 0);
  const wrong = bars.reduce((one, { failed }) => one + failed, 0);
  const deepest = Math.max(0, ...depths);
  return (
    <svg
      class="chart"
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`${sum} runs ended in the last 24 hours, ${wrong} of them failed; at most ${most} in an hour. At most ${deepest} tasks were queued at an hour’s end.`}
    >
      <line class="axis" x1="0" y1={base} x2={width} y2={base} />
      {bars.map((bar, index) => {
        let y = base;
        return names.map((name) => {
          const size = (bar[name] / most) * (base - 18);
          y -= size;
          return size === 0 ? null : (
            <rect class={name} x={index * step + 3} y={y.toFixed(1)} width={step - 6} height={size.toFixed(1)} rx="2" />
          );
        });
      })}
      {totals.map((total, index) =>
        total === most && total > 0 ? (
          <text x={index * step + step / 2} y="12" class="total" text-anchor="middle">
            {total}
          </text>
        ) : null,
      )}
      {bars.map((_, index) =>
        index % 6 === 0 ? (
          <text x={index * step + 3} y={height - 4}>
            {`${String(new Date(firstHourAt + index * hourMs).getUTCHours()).padStart(2, '0')}:00`}
          </text>
        ) : null,
      )}
      {deepest === 0 ? null : (
        <polyline
          class="depth"
          points={depths
            .map((depth, hour) => `${(hour + 1) * step},${(base - (depth / deepest) * (base - 18)).toFixed(1)}`)
            .join(' ')}
        />
      )}
      <text x={width} y={height - 4} text-anchor="end">
        {deepest === 0 ? 'UTC' : `UTC · line: queued, at most ${deepest}`}
      </text>
    </svg>
  );
};
