// Work whose length others decide, such as a pattern that a directive brings: it is over in time, or it is ended.
import { createContext, Script } from 'node:vm';

const stage: { work: (() => unknown) | null } = { work: null };
const context = createContext(stage);
const run = new Script('work()');

/**
 * Runs synchronous work on this thread; null where it took longer than `ms` and was ended in the middle, as even a
 * regular expression can be. Costs a tenth of a millisecond.
 */
export function withinTime<T>(work: () => T, ms: number): { value: T } | null {
  stage.work = () => ({ value: work() });
  try {
    return run.runInContext(context, { timeout: ms }) as { value: T };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return null;
    throw error;
  } finally {
    stage.work = null;
  }
}
