// What a call refused, for tests that look at the code, the message and the hint.
import { DispatcherError } from '../../src/errors.js';

/** The DispatcherError that `call` throws; anything else fails the test. */
export async function refusalOf(call: () => unknown): Promise<DispatcherError> {
  try {
    await call();
  } catch (error) {
    if (error instanceof DispatcherError) return error;
    throw error;
  }
  throw new Error('Nothing was refused.');
}
