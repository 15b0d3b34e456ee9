// Refused validations, counted in batches: that route needs no key, so a stranger must not be able to fill the audit trail.
import type { ErrorCode } from '../errors.js';
import { bySystem } from '../tasks/task.js';
import type { Dispatcher } from '../tools/dispatcher.js';

const batchMs = 60_000;

export interface RefusalCount {
  count(code: ErrorCode): void;
  /** What was counted since the last batch. */
  pending(): Record<string, number>;
  /** Writes what was counted since the last batch. */
  flush(): Promise<void>;
}

export function createRefusalCount({ store, log }: Dispatcher): RefusalCount {
  let counts: Partial<Record<ErrorCode, number>> = {};
  let timer: NodeJS.Timeout | undefined;
  const flush = async () => {
    clearTimeout(timer);
    timer = undefined;
    const data = { ...counts } as Record<string, number>;
    counts = {};
    if (Object.keys(data).length === 0) return;
    await store.ledger
      .record({ taskId: null, type: 'validation_refused', assurance: null, data }, bySystem)
      .catch((error: unknown) => log.warn('audit.batch_lost', { error }));
  };
  return {
    pending: () => ({ ...counts }) as Record<string, number>,
    count(code) {
      counts[code] = (counts[code] ?? 0) + 1;
      timer ??= setTimeout(flush, batchMs).unref();
    },
    flush,
  };
}
