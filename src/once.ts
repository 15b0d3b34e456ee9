// Work that is done once for all who ask. A failure is no result: it is told to those who waited and then forgotten.

export interface Once<T> {
  /** The one result. Begins the work where it has not begun, was forgotten, or failed. */
  (): Promise<T>;
  /** What is under way or done; undefined where nobody asked. */
  readonly begun: Promise<T> | undefined;
  forget(): void;
}

export function once<T>(work: () => Promise<T>): Once<T> {
  let begun: Promise<T> | undefined;
  const begin = () => {
    const attempt = work();
    attempt.catch(() => {
      if (begun === attempt) begun = undefined;
    });
    begun = attempt;
    return attempt;
  };
  const ask = () => begun ?? begin();
  return Object.defineProperty(
    Object.assign(ask, {
      forget: () => {
        begun = undefined;
      },
    }),
    'begun',
    { get: () => begun },
  ) as Once<T>;
}
