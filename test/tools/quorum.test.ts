// Several owners of passkeys must agree: to this binding, and in this round.
import { expect, test } from 'vitest';
import { acknowledge, retryTask } from '../../src/tools/index.js';
import type { Evidence } from '../../src/tools/operation.js';
import { callers, type TestApp } from '../helpers/test-app.js';
import { createJob, createJobApp } from '../helpers/worker-home.js';

const frontMatter = 'ack: passkey\nquorum: 2\nauto_anneal: false';

/** A consent as the page establishes it, once the touch was verified. */
function touch(app: TestApp, taskId: string, owner: string) {
  const evidence: Evidence = {
    kind: 'passkey',
    credentialId: `key-of-${owner}`,
    owner,
    assertion: {},
    covered: { task: taskId },
    origin: 'http://doe.localhost:1',
  };
  const caller = { ...callers.operator, channel: 'page', person: owner } as const;
  return app.call(acknowledge, { task_id: taskId, actor_id: owner }, caller, { evidence });
}

async function enrol(app: TestApp, ...owners: string[]): Promise<void> {
  for (const owner of owners)
    await app.dispatcher.store.people.addCredential(
      {
        id: `key-of-${owner}`,
        owner,
        rpId: 'doe.localhost',
        publicKey: '',
        counter: 0,
        transports: [],
        vouchedBy: owner === owners[0] ? null : `key-of-${owners[0]}`,
      },
      { actorId: owner, principal: 'operator', channel: 'page', keyId: 'op' },
    );
}

test('two owners queue it, one alone and one twice do not', async () => {
  const app = await createJobApp('true', { frontMatter, noWorker: true });
  await enrol(app, 'jo', 'kim');
  const { task_id } = await createJob(app);
  expect((await touch(app, task_id, 'jo')).status).toBe('awaiting_ack');
  expect((await touch(app, task_id, 'jo')).status).toBe('awaiting_ack');
  expect((await touch(app, task_id, 'kim')).status).toBe('queued');
});

test('a consent to an earlier round does not count in a later one, though nothing changed', async () => {
  const app = await createJobApp('exit 1', { frontMatter });
  await enrol(app, 'jo', 'kim');
  const { task_id } = await createJob(app);
  await touch(app, task_id, 'jo');
  await touch(app, task_id, 'kim');
  await app.until(task_id, 'failed');
  await app.call(retryTask, { task_id });
  expect((await touch(app, task_id, 'jo')).status).toBe('awaiting_ack');
  expect((await touch(app, task_id, 'kim')).status).toBe('queued');
});
