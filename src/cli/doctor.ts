// `doe doctor`: everything that keeps a home from working, each with its mend. It looks, and changes nothing.
import { loadConfig } from '../config.js';
import { DispatcherError } from '../errors.js';
import { findHome } from '../home.js';
import { surroundings } from './environment.js';
import { type Finding, wrong } from './finding.js';
import type { CommonOptions } from './home.js';
import { say, sayJson } from './output.js';
import { styled, visibleLine } from './text.js';

export async function run(options: CommonOptions): Promise<number> {
  const findings: Finding[] = [];
  for await (const finding of examine(options)) {
    findings.push(finding);
    if (options.json !== true) tell(finding);
  }
  const failed = findings.filter(({ status }) => status === 'wrong').length;
  if (options.json === true) sayJson({ ok: failed === 0, findings, next_cursor: null });
  else say(failed === 0 ? '\nNothing is wrong.' : `\n${failed} of ${findings.length} checks found something wrong.`);
  return failed === 0 ? 0 : 1;
}

/** Later checks stand on earlier ones: without a home or readable settings nothing further can be said. */
async function* examine(options: CommonOptions): AsyncGenerator<Finding> {
  const machine = await import('./check-machine.js');
  yield machine.nodeVersion();
  yield await machine.nativeBinding();
  const home = await attempt(() => findHome(options.home, surroundings()));
  if (home instanceof DispatcherError) {
    yield wrong('home', home.message, home.hint ?? '');
    return;
  }
  const checks = await import('./check-home.js');
  yield await checks.homeFolder(home);
  yield await checks.environmentFile(home);
  const config = await attempt(async () => loadConfig(home));
  if (config instanceof DispatcherError) {
    yield wrong('settings', config.message, config.hint ?? '');
    return;
  }
  yield checks.secret(config);
  yield checks.keys(config);
  yield await checks.port(config);
  yield* checks.interpreters(config);
  yield* (await import('./check-directives.js')).directives(config);
  yield* checks.database(config);
}

async function attempt<T>(work: () => Promise<T>): Promise<T | DispatcherError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DispatcherError) return error;
    throw error;
  }
}

const marks = { ok: 'green', warning: 'yellow', wrong: 'red' } as const;

/** Most names fit; a longer one moves its own line alone. */
const checkWidth = 30;

function tell({ check, status, found, mend }: Finding): void {
  say(`${styled(marks[status], status.padEnd(7))}  ${visibleLine(check).padEnd(checkWidth)} ${visibleLine(found)}`);
  if (mend !== null) say(`${' '.repeat(9 + checkWidth)} ${visibleLine(mend)}`);
}
