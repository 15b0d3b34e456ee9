import { execFileSync } from 'node:child_process';
import { existsSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { processesOfRun } from '../../src/worker/process-group.js';
import { type TestApp, temporaryFolder } from '../helpers/test-app.js';
import { createJobApp, logOf, runJob } from '../helpers/worker-home.js';

/** Whether bubblewrap is here and may make namespaces: elsewhere only the refusal can be shown. */
function bubblewrapWorks(): boolean {
  try {
    execFileSync(
      'bwrap',
      ['--unshare-pid', '--unshare-net', '--ro-bind', '/', '/', '--dev', '/dev', '--proc', '/proc', 'true'],
      { stdio: 'ignore' },
    );
    return true;
  } catch {
    return false;
  }
}

test('a directive that asks for a sandbox does not run without one', async () => {
  const app = await createJobApp('touch ran', { frontMatter: 'sandbox: bwrap', settings: { PATH: temporaryFolder() } });
  const task = await runJob(app);
  expect(task).toMatchObject({ status: 'needs_anneal', statusReason: expect.stringContaining('bubblewrap') });
  expect(existsSync(join(app.home, 'ran'))).toBe(false);
});

describe.runIf(bubblewrapWorks())('in a sandbox', () => {
  const shown = async (app: TestApp) => {
    const task = await runJob(app);
    const log = await logOf(app, task.id);
    expect(task.status, log.join('\n')).toBe('succeeded');
    return { task, log };
  };

  test('the home is read-only but for the named folders, and keys and database are not seen', async () => {
    const app = await createJobApp(
      'touch here 2>/dev/null && echo leaked; touch directives/x 2>/dev/null && echo leaked; cat .env db.sqlite; touch out/file /tmp/t && echo written; echo \'{"ok":1}\' > "$DOE_RESULT_FILE"',
      { frontMatter: 'sandbox: { type: bwrap, write: [out] }' },
    );
    app.write({ '.env': 'X_TOKEN=leaked\n' });
    const { task, log } = await shown(app);
    expect(log.filter((line) => line.startsWith('stdout'))).toEqual(['stdout written']);
    expect(task.result).toEqual({ ok: 1 });
    expect(existsSync(join(app.home, 'out/file'))).toBe(true);
  });

  test('no folder is made beyond a link that leads out of the home', async () => {
    const outside = temporaryFolder();
    const app = await createJobApp('true', { frontMatter: 'sandbox: { type: bwrap, write: [link/new] }' });
    symlinkSync(outside, join(app.home, 'link'));
    expect((await runJob(app)).status).toBe('needs_anneal');
    expect(existsSync(join(outside, 'new'))).toBe(false);
  });

  test.each(['db.sqlite', 'execution', 'site/.git'])('a link to %s opens nothing for writing', async (target) => {
    const app = await createJobApp('true', { frontMatter: 'sandbox: { type: bwrap, write: [link] }' });
    app.write({ 'site/.git/config': '' });
    symlinkSync(target, join(app.home, 'link'));
    const task = await runJob(app);
    expect(task).toMatchObject({ status: 'needs_anneal', statusReason: expect.stringContaining('"link"') });
  });

  test('without network it still reaches the dispatcher, and nothing else', async () => {
    const app = await createJobApp('exec node execution/check.mjs "$@"', { frontMatter: 'sandbox: bwrap' });
    app.write({
      'execution/check.mjs': `
const [, , taskId, token] = process.argv;
const answer = await fetch(process.env.MCP_URL + '/mcp/validate-ack?task_id=' + taskId, { headers: { authorization: 'Bearer ' + token } });
console.log('validated', answer.status);
const { networkInterfaces } = await import('node:os');
console.log('interfaces', Object.keys(networkInterfaces()).join());
await fetch('${app.address}/health').then(() => console.log('leaked'), () => console.log('unreachable'));
`,
    });
    const { log } = await shown(app);
    expect(log).toEqual(expect.arrayContaining(['stdout validated 200', 'stdout interfaces lo', 'stdout unreachable']));
  });

  test('with network it reaches what any script does', async () => {
    const app = await createJobApp('exec node execution/check.mjs', {
      frontMatter: 'sandbox: { type: bwrap, network: true }',
    });
    app.write({ 'execution/check.mjs': `console.log('answered', (await fetch('${app.address}/health')).status);` });
    expect((await shown(app)).log).toContain('stdout answered 200');
  });

  test('an exit code comes through, and a timeout ends all that is inside', async () => {
    const app = await createJobApp('exit 7', { frontMatter: 'sandbox: bwrap\ntimeout: 2s\nauto_anneal: false' });
    expect((await runJob(app)).statusReason).toContain('exit code 7');
    app.write({ 'execution/job.sh': 'setsid sleep 1000 & trap "" TERM; while :; do sleep 1; done' });
    const task = await runJob(app);
    expect(task).toMatchObject({ status: 'failed', outcome: 'timed_out' });
    const [run] = await app.dispatcher.store.tasks.runs(task.id);
    expect(processesOfRun(run?.id ?? '')).toEqual([]);
  });
});
