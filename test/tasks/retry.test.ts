import { expect, test } from 'vitest';
import { backoffDelayMs, type JudgeInput, judge } from '../../src/tasks/retry.js';
import { isAllowed, moves, movesFrom, taskStatuses } from '../../src/tasks/states.js';
import type { TaskPolicy } from '../../src/tasks/task.js';

const policy: TaskPolicy = {
  requireAck: true,
  maxAttempts: 3,
  backoffMs: 1000,
  onInterrupt: false,
  autoAnneal: true,
  hasFixScript: false,
  timeoutMs: 1000,
  concurrency: 0,
};

const verdict = (outcome: JudgeInput['report']['outcome'], more: Partial<TaskPolicy> & { attempts?: number } = {}) => {
  const { attempts = 1, ...changed } = more;
  return judge({
    task: { attempts, policy: { ...policy, ...changed }, cancelRequestedAt: null, statusReason: null },
    report: { outcome, message: 'why' },
    fixed: false,
    now: 10_000,
    random: 0,
  });
};

test('backoff doubles, lies between half and whole, and ends at five minutes', () => {
  expect([1, 2, 3].map((attempt) => backoffDelayMs(attempt, 1000, 0))).toEqual([500, 1000, 2000]);
  expect(backoffDelayMs(1, 1000, 0.999999)).toBe(1000);
  expect(backoffDelayMs(1, 1000, 0.5)).toBe(750);
  expect(backoffDelayMs(100, 5000, 0.999999)).toBe(300_000);
  expect(backoffDelayMs(50, 0, 0.5)).toBe(0);
});

test('a failed or timed out run is retried while attempts are left, then annealed or failed', () => {
  for (const outcome of ['failed', 'timed_out'] as const) {
    expect(verdict(outcome)).toEqual({ move: 'retry_scheduled', reason: 'why', runAfter: 10_500 });
    expect(verdict(outcome, { attempts: 3 })).toEqual({ move: 'anneal_opened', reason: 'why', runAfter: null });
    expect(verdict(outcome, { attempts: 3, autoAnneal: false }).move).toBe('failed');
  }
});

test('an interrupted run is repeated only where the directive says so or wants no ack', () => {
  expect(verdict('interrupted').move).toBe('anneal_opened');
  expect(verdict('interrupted', { autoAnneal: false }).move).toBe('anneal_opened');
  expect(verdict('interrupted', { onInterrupt: true }).move).toBe('retry_scheduled');
  expect(verdict('interrupted', { requireAck: false }).move).toBe('retry_scheduled');
  expect(verdict('interrupted', { onInterrupt: true, attempts: 3 }).move).toBe('anneal_opened');
});

test('a repair by the fix_script gives one more attempt at once', () => {
  const task = { attempts: 3, policy, cancelRequestedAt: null, statusReason: null };
  expect(judge({ task, report: { outcome: 'failed', message: 'why' }, fixed: true, now: 10_000, random: 1 })).toEqual({
    move: 'retry_scheduled',
    reason: 'why',
    runAfter: 10_000,
  });
});

test('who was asked to stop is cancelled whatever its run came to, unless it succeeded', () => {
  const asked = { attempts: 1, policy, cancelRequestedAt: 5, statusReason: 'not wanted' };
  const judged = (outcome: JudgeInput['report']['outcome']) =>
    judge({ task: asked, report: { outcome, message: 'why' }, fixed: false, now: 0, random: 0 });
  for (const outcome of ['failed', 'timed_out', 'interrupted', 'cancelled'] as const)
    expect(judged(outcome)).toEqual({ move: 'cancelled', reason: 'not wanted', runAfter: null });
  expect(judged('succeeded')).toEqual({ move: 'succeeded', reason: null, runAfter: null });
});

test('the table of moves allows exactly what it lists', () => {
  for (const [name, { from, to }] of Object.entries(moves)) {
    for (const source of taskStatuses)
      for (const target of taskStatuses)
        expect(isAllowed(name as keyof typeof moves, source, target)).toBe(
          (from as readonly string[]).includes(source) && (to as readonly string[]).includes(target),
        );
  }
  expect(movesFrom('started')).toEqual(['queued']);
  expect(movesFrom('failure_recorded')).not.toContain('running');
});
