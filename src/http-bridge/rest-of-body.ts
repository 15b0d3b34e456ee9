// A client that sends its whole body before it reads, as many do, must not meet a closed connection instead of a refusal: what is
// left unread when a socket closes makes the system reset it, and the answer is lost with it.
import type { IncomingMessage } from 'node:http';

export const restLimits = { bytes: 16 * 1024 * 1024, idleMs: 500, wholeMs: 10_000 };

/** Reads on and throws away what was not read of a request's body: so much, and for so long, as the limits allow. */
export function readRest(incoming: IncomingMessage, limits = restLimits): Promise<void> {
  const stated = Number(incoming.headers['content-length'] ?? 0);
  if (incoming.complete || incoming.destroyed || stated > limits.bytes) return Promise.resolve();
  return new Promise((resolve) => {
    let bytes = 0;
    const whole = setTimeout(over, limits.wholeMs);
    const idle = setTimeout(over, limits.idleMs);
    function over() {
      clearTimeout(whole);
      clearTimeout(idle);
      incoming.off('data', count);
      for (const event of ['end', 'close', 'error']) incoming.off(event, over);
      resolve();
    }
    function count(chunk: Uint8Array) {
      bytes += chunk.byteLength;
      idle.refresh();
      if (bytes > limits.bytes) over();
    }
    for (const event of ['end', 'close', 'error']) incoming.on(event, over);
    // Whoever began to read has given up, and would hold the flow back.
    incoming.removeAllListeners('data').on('data', count).resume();
  });
}
