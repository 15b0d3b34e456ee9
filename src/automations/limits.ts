// How long a run may take, and who may end it early: its caller by going away, the server by stopping.
import { DispatcherError } from '../errors.js';

export interface Limits {
  /**
   * Runs `work` with a signal that is aborted at the time limit, when the caller goes, or at `close`; the reason is the error to throw.
   */
  run<T>(name: string, caller: AbortSignal | undefined, work: (stop: AbortSignal) => Promise<T>): Promise<T>;
  /** Aborts what runs, and resolves when it has ended. */
  close(): Promise<void>;
}

export function createLimits(limitMs: number): Limits {
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  const limited = async <T>(name: string, caller: AbortSignal | undefined, work: (stop: AbortSignal) => Promise<T>) => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(timedOut(name, limitMs)), limitMs);
    const onClose = () => stop.abort(stopping(name));
    const onLeave = () => stop.abort(abandoned(name));
    closing.signal.addEventListener('abort', onClose);
    caller?.addEventListener('abort', onLeave);
    if (closing.signal.aborted) onClose();
    if (caller?.aborted) onLeave();
    try {
      stop.signal.throwIfAborted();
      return await work(stop.signal);
    } finally {
      clearTimeout(timer);
      closing.signal.removeEventListener('abort', onClose);
      caller?.removeEventListener('abort', onLeave);
    }
  };

  return {
    async run(name, caller, work) {
      const result = limited(name, caller, work);
      running.add(result);
      try {
        return await result;
      } finally {
        running.delete(result);
      }
    },
    async close() {
      closing.abort();
      await Promise.allSettled(running);
    },
  };
}

const timedOut = (name: string, limitMs: number): DispatcherError =>
  new DispatcherError(
    'automation_timeout',
    `The automation ${name} took longer than ${limitMs / 1000} s and was ended.`,
    {
      hint: 'Work that takes longer is a directive with a script.',
    },
  );

const stopping = (name: string): DispatcherError =>
  new DispatcherError('shutting_down', `The automation ${name} was ended since the server stops.`);

const abandoned = (name: string): DispatcherError =>
  new DispatcherError('automation_failed', `The automation ${name} was ended since its caller went away.`);
