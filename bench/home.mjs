// A temporary home for one measurement, and what is the same for all of them.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Runs `work` with a fresh folder and removes it. On the disk that holds the temporary files: set TMPDIR to choose another. */
export async function withHome(work) {
  const home = mkdtempSync(join(tmpdir(), 'doe-bench-'));
  try {
    return await work(home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

export const load = (dist, path) => import(pathToFileURL(join(dist, path)).href);

export const median = (numbers) => numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)];

const hash = 'a'.repeat(64);
const pins = {
  directiveId: 'bench',
  directiveVersion: 1,
  directiveSha256: hash,
  payloadSha256: hash,
  filesSha256: null,
  scriptSha256: hash,
  binding: hash,
};

export const by = { actorId: 'bench', principal: 'operator', channel: 'terminal', keyId: null };
export const worker = { processId: 'proc_bench', leaseMs: 30_000 };

export const taskOf = (id, overrides = {}) => ({
  id,
  taskType: 'bench',
  projectId: 'bench',
  status: 'awaiting_ack',
  statusReason: null,
  priority: 0,
  runAfter: null,
  traceparent: null,
  pins,
  policy: {
    requireAck: true,
    maxAttempts: 3,
    backoffMs: 1000,
    onInterrupt: false,
    autoAnneal: true,
    hasFixScript: false,
    timeoutMs: 60_000,
    concurrency: 0,
  },
  payloadJson: '{"name":"bench"}',
  secretPaths: [],
  ...overrides,
});

export const ackOf = (taskId, now) => ({
  id: `ack_${taskId}`,
  taskId,
  pins,
  actorId: by.actorId,
  principal: by.principal,
  channel: by.channel,
  keyId: null,
  assurance: 'operator',
  answers: [],
  issuedAt: now,
  notBefore: now,
  expiresAt: now + 15 * 60_000,
});

export const settlementOf = (runId) => ({
  runId,
  processId: worker.processId,
  verdict: { move: 'succeeded', reason: null, runAfter: null },
  outcome: 'succeeded',
  exitCode: 0,
  signal: null,
  result: { ok: true },
  failure: null,
  aid: null,
  fixUsed: false,
  scriptChangedTo: null,
});
