import { expect, test } from 'vitest';
import { classify, describeFailure } from '../../src/anneal/classify.js';

test.each([
  ['exit_code', 'curl: (56) Recv failure: Connection reset by peer', 'transient'],
  ['exit_code', 'HTTP Error 503: Service Unavailable', 'transient'],
  ['exit_code', 'Error: Too Many Requests', 'transient'],
  ['timeout', '', 'transient'],
  ['exit_code', 'OSError: [Errno 28] No space left on device', 'infrastructure'],
  ['exit_code', "ModuleNotFoundError: No module named 'requests'", 'infrastructure'],
  ['exit_code', 'bash: jq: command not found', 'infrastructure'],
  ['spawn_failed', 'spawn python3 ENOENT', 'infrastructure'],
  ['interrupted', '', 'infrastructure'],
  ['exit_code', 'Traceback (most recent call last):\n  File "x.py"\nKeyError: 1', 'script'],
  ['result_invalid', '', 'script'],
  ['exit_code', 'it just did not work', 'script'],
  ['exit_code', '', 'unknown'],
  ['exit_code', '\n  \n', 'unknown'],
])('%s with %j is %s', (errorType, errorTail, classification) => {
  expect(classify({ errorType, errorTail })).toBe(classification);
});

const fingerprint = (errorTail: string, errorType = 'exit_code') =>
  describeFailure({ errorType, message: 'm', errorTail }).fingerprint;

test('the same failure has the same fingerprint whatever ids, times, numbers and temporary paths it names', () => {
  const one = fingerprint('KeyError: user 4711 at 2026-01-02T03:04:05Z in /tmp/doe-run_abc/x run_0a1b2c deadbeef01');
  const other = fingerprint('KeyError: user 42 at 2026-11-12T13:14:15Z in /tmp/doe-run_xyz/x run_9z8y7x cafebabe99');
  expect(other).toBe(one);
});

test('another failure has another fingerprint', () => {
  const all = [fingerprint('KeyError: a'), fingerprint('ValueError: a'), fingerprint(''), fingerprint('', 'timeout')];
  expect(new Set(all).size).toBe(all.length);
});
