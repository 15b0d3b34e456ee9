// What a worker does again and again.

export interface Jobs {
  /**
   * Does `job` every `ms` milliseconds from now on, but never twice at once.
   * @returns does it now, unless it is under way; never rejects
   */
  every(ms: number, what: string, job: () => Promise<void>): () => Promise<void>;
  /** Begins none any more; resolves when none is under way. */
  stop(): Promise<void>;
}

export function createJobs(onFault: (what: string, error: unknown) => void): Jobs {
  const timers: NodeJS.Timeout[] = [];
  const running = new Map<string, Promise<void>>();
  return {
    every(ms, what, job) {
      const tick = async () => {
        if (running.has(what)) return;
        const done = job().catch((error: unknown) => onFault(what, error));
        running.set(what, done);
        await done;
        running.delete(what);
      };
      timers.push(setInterval(tick, ms));
      return tick;
    },
    async stop() {
      for (const timer of timers.splice(0)) clearInterval(timer);
      await Promise.all(running.values());
    },
  };
}
