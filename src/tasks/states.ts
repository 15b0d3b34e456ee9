// The table of allowed moves, and nothing else decides about states. Every store adapter and every door follows it.

export const taskStatuses = [
  'awaiting_ack',
  'queued',
  'running',
  'succeeded',
  'failed',
  'needs_anneal',
  'cancelled',
] as const;
export type TaskStatus = (typeof taskStatuses)[number];

interface Move {
  readonly from: readonly TaskStatus[];
  readonly to: readonly TaskStatus[];
}

/** Each move's name is also the type of the event that it writes. */
export const moves = {
  acknowledged: { from: ['awaiting_ack'], to: ['queued'] },
  rejected: { from: ['awaiting_ack'], to: ['cancelled'] },
  /** What is to be acknowledged changed before anyone acknowledged it. */
  pinned_anew: { from: ['awaiting_ack'], to: ['awaiting_ack'] },
  /** Awaited its ack for seven days. */
  stale: { from: ['awaiting_ack'], to: ['cancelled'] },
  /** The ack expired before the first start, or no longer covers what is on disk. */
  ack_void: { from: ['queued'], to: ['awaiting_ack'] },
  started: { from: ['queued'], to: ['running'] },
  succeeded: { from: ['running'], to: ['succeeded'] },
  retry_scheduled: { from: ['running'], to: ['queued'] },
  failed: { from: ['running'], to: ['failed'] },
  anneal_opened: { from: ['running'], to: ['needs_anneal'] },
  cancelled: { from: ['awaiting_ack', 'queued', 'running'], to: ['cancelled'] },
  failure_recorded: { from: ['awaiting_ack', 'queued', 'failed', 'succeeded'], to: ['needs_anneal'] },
  anneal_completed: { from: ['needs_anneal'], to: ['awaiting_ack', 'queued'] },
  anneal_dismissed: { from: ['needs_anneal'], to: ['failed'] },
  retried: { from: ['failed', 'cancelled'], to: ['awaiting_ack'] },
} as const satisfies Record<string, Move>;

export type MoveName = keyof typeof moves;

/** The states that `move` may start from. */
export const movesFrom = (move: MoveName): readonly TaskStatus[] => moves[move].from;

/** Whether `move` may take a task from one state to the other. */
export const isAllowed = (move: MoveName, from: TaskStatus, to: TaskStatus): boolean => {
  const { from: sources, to: targets }: Move = moves[move];
  return sources.includes(from) && targets.includes(to);
};

/** States in which nothing happens any more unless somebody asks for it. */
export const settledStatuses: readonly TaskStatus[] = ['succeeded', 'failed', 'needs_anneal', 'cancelled'];
