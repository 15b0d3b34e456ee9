// A process that tells on stdout, line by line and at once, what the store promised it. Whoever kills it knows what it was told.
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [dist, home, work, lanes] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(dist, path)).href);
const { openSqliteStore } = await load('queue/sqlite/index.js');
const { systemClock } = await load('clock.js');
const store = openSqliteStore({ home, clock: systemClock });

const tell = (told) => writeSync(1, `${JSON.stringify(told)}\n`);
const by = { actorId: 'told', principal: 'operator', channel: 'terminal', keyId: null };
const worker = { processId: 'proc_told', leaseMs: 30_000 };
const hash = 'a'.repeat(64);
const pins = {
  directiveId: 'd',
  directiveVersion: 1,
  directiveSha256: hash,
  payloadSha256: hash,
  filesSha256: null,
  scriptSha256: hash,
  binding: hash,
};
const policy = {
  requireAck: true,
  maxAttempts: 1,
  backoffMs: 0,
  onInterrupt: false,
  autoAnneal: true,
  hasFixScript: false,
  timeoutMs: 1000,
  concurrency: 0,
};

async function oneTask(id) {
  const task = {
    id,
    taskType: 't',
    projectId: 'p',
    status: 'awaiting_ack',
    statusReason: null,
    priority: 0,
    runAfter: null,
    traceparent: null,
    pins,
    policy,
    payloadJson: '{}',
    secretPaths: [],
  };
  await store.tasks.create(task, by);
  tell({ task: id, status: 'awaiting_ack' });
  const now = await store.now();
  const ack = {
    id: `ack-${id}`,
    taskId: id,
    pins,
    actorId: 'told',
    principal: 'operator',
    channel: 'terminal',
    keyId: null,
    assurance: 'operator',
    answers: [],
    issuedAt: now,
    notBefore: now,
    expiresAt: now + 900_000,
  };
  await store.tasks.acknowledge(ack, by);
  tell({ task: id, status: 'queued' });
  const claim = await store.tasks.claim(worker);
  await store.tasks.begin(claim.runId, { processId: worker.processId, host: 'here', ack: null });
  tell({ task: claim.task.id, status: 'running' });
  const verdict = { move: 'succeeded', reason: null, runAfter: null };
  await store.tasks.settle({
    runId: claim.runId,
    processId: worker.processId,
    verdict,
    outcome: 'succeeded',
    exitCode: 0,
    signal: null,
    result: undefined,
    failure: null,
    aid: null,
    fixUsed: false,
    scriptChangedTo: null,
  });
  tell({ task: claim.task.id, status: 'succeeded' });
}

async function oneNonce(id) {
  await store.people.mintNonce({ id, purpose: 'p', data: {}, expiresAt: (await store.now()) + 900_000 });
  tell({ nonce: id, used: false });
  await store.people.consumeNonce(id, 'p');
  tell({ nonce: id, used: true });
}

const kinds = {
  async moves(lane) {
    for (let turn = 0; ; turn += 1) {
      await oneTask(`task-${lane}-${turn}`);
      if (turn % 5 === 0) await oneNonce(`nonce-${lane}-${turn}`);
    }
  },
  /** What may be lost with a power cut. */
  async logLines() {
    for (;;) {
      await store.logs.append([{ taskId: 'a', runId: null, stream: 'stdout', text: 'line', at: 0 }]);
      tell({ line: true });
    }
  },
};

await Promise.all(Array.from({ length: Number(lanes) }, (_, lane) => kinds[work](lane)));
