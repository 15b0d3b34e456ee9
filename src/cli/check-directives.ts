// What `doe doctor` asks of directives and their scripts. Nothing of the home is started: whoever looks may not trust it yet.
import { constants } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { Config } from '../config.js';
import type { Directive, Directives, TaskDirective } from '../directives/index.js';
import { createDirectives } from '../directives/load.js';
import { createInterpreters, type Interpreters } from '../worker/interpreters.js';
import { ask } from '../worker/run-script.js';
import { may } from './check-home.js';
import { problemsOf } from './directives.js';
import { type Finding, ok, refused, warning, wrong } from './finding.js';
import { quietLog } from './output.js';

export async function* directives({ home, variables }: Config): AsyncGenerator<Finding> {
  const port = createDirectives({ home, log: quietLog() });
  try {
    const all = await port.list();
    if (all.length === 0) yield warning('directives', 'There are none.', 'Write one: `doe new directive <name>`.');
    const usable: TaskDirective[] = [];
    for (const directive of all) {
      const [problem] = await problemsOf(port, directive);
      yield problem === undefined
        ? about(directive, variables)
        : wrong(`directive ${directive.id}`, problem, `Mend ${directive.file} or its script.`);
      if (problem === undefined && directive.kind === 'task') usable.push(directive);
    }
    yield* await scripts(port, usable, createInterpreters(home, variables));
    const sandboxed = usable.filter(({ frontMatter }) => frontMatter.sandbox !== null);
    if (sandboxed.length > 0) yield await bubblewrap(home, variables);
  } catch (error) {
    yield refused('directives', error);
  } finally {
    await port.close();
  }
}

function about(directive: Directive, variables: Config['variables']): Finding {
  const check = `directive ${directive.id}`;
  const unset = directive.kind === 'task' ? directive.frontMatter.secrets.filter((name) => !variables[name]) : [];
  return unset.length === 0
    ? ok(check, directive.file)
    : warning(check, `Its script is to be given ${unset.join(' and ')}, which is not set.`, 'Set it in .env.');
}

/** Each script once, whatever the number of directives that name it. */
async function scripts(port: Directives, usable: TaskDirective[], interpreters: Interpreters): Promise<Finding[]> {
  const found = new Map<string, Finding>();
  for (const directive of usable) {
    const { script, fixScript } = await port.scriptDigest(directive);
    for (const one of [script, fixScript])
      if (one !== null && !found.has(one.name)) found.set(one.name, await aboutScript(one, interpreters));
  }
  return [...found.values()];
}

async function aboutScript(
  script: { name: string; path: string; text: string },
  { commandFor }: Interpreters,
): Promise<Finding> {
  const check = `script ${script.name}`;
  try {
    const { file } = await commandFor(script);
    if (isAbsolute(file) && !(await may(file, constants.X_OK)))
      return wrong(check, `${file}, which is to run it, cannot be started.`, 'Install it, or correct the first line.');
  } catch (error) {
    return refused(check, error);
  }
  return script.text.includes('validate')
    ? ok(check, 'It is there, and what runs it too.')
    : warning(
        check,
        'It does not seem to ask whether its run was acknowledged.',
        'Begin it with `doe.validate()`, or with one GET of /mcp/validate-ack.',
      );
}

async function bubblewrap(home: string, variables: Config['variables']): Promise<Finding> {
  const env = { PATH: variables.PATH ?? '/usr/local/bin:/usr/bin:/bin' };
  const version = await ask('bwrap', ['--version'], { env, cwd: home });
  return version === null
    ? wrong('sandbox', 'bubblewrap does not start, and a directive wants it.', 'Install the package bubblewrap.')
    : ok('sandbox', version);
}
