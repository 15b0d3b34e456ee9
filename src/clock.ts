// Time as a dependency. Deadlines that decide over leases use `monotonic`; wall time is for people and for expiry.

export interface Clock {
  /** Wall time in epoch milliseconds. May jump in either direction. */
  now(): number;
  /** Milliseconds since an arbitrary start; never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** Epoch milliseconds as the ISO 8601 text in UTC that every door shows. */
export const isoTime = (epochMs: number): string => new Date(epochMs).toISOString();

/** `isoTime`, keeping null. */
export const isoTimeOrNull = (epochMs: number | null): string | null => (epochMs === null ? null : isoTime(epochMs));
