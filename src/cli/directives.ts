// `doe directives`: what the home holds, and with --check what is wrong with it. Reads the disk alone, so that it runs
// in a checkout without secrets or a database.

import type { Directive, Directives } from '../directives/index.js';
import { createDirectives } from '../directives/load.js';
import { effectivePolicy } from '../directives/policy.js';
import { DispatcherError } from '../errors.js';
import { findHome } from '../home.js';
import { directiveSummary } from '../tools/views.js';
import { surroundings } from './environment.js';
import type { CommonOptions } from './home.js';
import { oneLine, quietLog, say, sayJson } from './output.js';
import { styled, table, visibleLine } from './text.js';

export interface DirectivesOptions extends CommonOptions {
  check?: boolean;
}

export async function run(options: DirectivesOptions): Promise<number> {
  const directives = createDirectives({ home: await findHome(options.home, surroundings()), log: quietLog() });
  try {
    const found = await directives.list();
    const checked = await Promise.all(
      found.map(async (directive) => ({
        ...directiveSummary(directive),
        asks_for: directive.kind === 'task' ? effectivePolicy(directive.frontMatter, false, 'client').withheld : [],
        ...(options.check === true ? { problems: await problemsOf(directives, directive) } : {}),
      })),
    );
    if (options.json === true) sayJson({ directives: checked, next_cursor: null });
    else if (options.check === true) tellProblems(checked);
    else tellList(checked);
    return checked.some(({ problems }) => (problems?.length ?? 0) > 0) ? 1 : 0;
  } finally {
    await directives.close();
  }
}

/** Everything that would keep a task of this directive from being made. */
export async function problemsOf(directives: Directives, directive: Directive): Promise<string[]> {
  if (directive.kind === 'broken') return [directive.error];
  if (directive.kind === 'reference') return [];
  try {
    await directives.scriptDigest(directive);
    return [];
  } catch (error) {
    if (error instanceof DispatcherError) return [oneLine(error)];
    throw error;
  }
}

type Summary = ReturnType<typeof directiveSummary> & { asks_for: string[]; problems?: string[] };

function tellList(directives: Summary[]): void {
  const rows = directives.map(({ id, kind, task_type, project_id, version, title, error }) =>
    [id, kind === 'task' ? (task_type ?? '') : kind, project_id ?? '', String(version ?? ''), error ?? title].map(
      visibleLine,
    ),
  );
  say(
    rows.length === 0
      ? 'No directives yet. Write one: `doe new directive <name>`.'
      : table(['DIRECTIVE', 'TASK TYPE', 'PROJECT', 'VERSION', 'TITLE'], rows),
  );
}

function tellProblems(directives: Summary[]): void {
  for (const { id, file, problems = [], asks_for } of directives) {
    const mark = problems.length === 0 ? styled('green', 'ok') : styled('red', 'wrong');
    say(`${mark}  ${visibleLine(id)}  ${visibleLine(file)}`);
    for (const problem of problems) say(`    ${visibleLine(problem)}`);
    if (asks_for.length > 0) say(`    asks for trust: ${visibleLine(asks_for.join('; '))}`);
  }
  const wrong = directives.filter(({ problems = [] }) => problems.length > 0).length;
  say(
    wrong === 0
      ? `${directives.length} directives, nothing wrong.`
      : `${wrong} of ${directives.length} directives cannot be used.`,
  );
}
