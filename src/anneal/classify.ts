// What kind of failure this is, and the fingerprint by which the same failure of other tasks is known.
import { createHash } from 'node:crypto';
import type { Classification } from '../tasks/outcome.js';
import type { FailureFacts } from '../tasks/retry.js';

/** First match wins; looked for in the last part of the script's error output. */
const signs: readonly [Classification, RegExp][] = [
  [
    'infrastructure',
    /no space left|ENOSPC|disk quota|cannot allocate memory|out of memory|MemoryError|ENOMEM|read-only file system|EROFS|too many open files|EMFILE/i,
  ],
  [
    'transient',
    /ECONNRE(SET|FUSED)|ETIMEDOUT|EAI_AGAIN|EPIPE|connection (reset|refused|timed out|aborted)|temporar(y|ily)|time(d)? ?out|rate.?limit|too many requests|\b(429|502|503|504)\b|service unavailable|bad gateway/i,
  ],
  [
    'infrastructure',
    /ModuleNotFoundError|No module named|Cannot find (module|package)|command not found|permission denied|EACCES|EPERM|certificate|getaddrinfo|ENOTFOUND/i,
  ],
  [
    'script',
    /Traceback \(most recent call last\)|\b\w*(Error|Exception)\b|assert|panic|syntax error|unbound variable/i,
  ],
];

/** The class of a failed run, by the way it ended and what it said last. */
export function classify({ errorType, errorTail }: { errorType: string; errorTail: string }): Classification {
  if (errorType === 'timeout') return 'transient';
  if (['interrupted', 'spawn_failed', 'interpreter_missing', 'out_of_memory'].includes(errorType))
    return 'infrastructure';
  if (errorType === 'result_invalid' || errorType === 'result_too_large') return 'script';
  const sign = signs.find(([, pattern]) => pattern.test(errorTail));
  if (sign !== undefined) return sign[0];
  return errorTail.trim() === '' ? 'unknown' : 'script';
}

/** What differs from run to run of the same failure: ids, times, numbers, addresses, paths' temporary parts. */
const normalise = (text: string): string =>
  text
    .replace(/\b[0-9a-f]{8,}\b/gi, '<hex>')
    .replace(/\b(run|ack|anneal|proc)_\w+/g, '<id>')
    .replace(/\/tmp\/\S+/g, '<tmp>')
    .replace(/\d+/g, '<n>')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(-1000);

export interface FailureSeen {
  errorType: string;
  /** Absent: by `classify`. */
  classification?: Classification;
  message: string;
  /** Redacted already. */
  errorTail: string;
}

export function describeFailure({ errorType, classification, message, errorTail }: FailureSeen): FailureFacts {
  const kind = classification ?? classify({ errorType, errorTail });
  const fingerprint = createHash('sha256')
    .update(`${kind}\n${errorType}\n${normalise(errorTail)}`)
    .digest('hex')
    .slice(0, 16);
  return { errorType, classification: kind, fingerprint, message, errorTail };
}
