// The table of contents of the command line. Each command's code is loaded only when it runs, so that help stays quick.
import { Command, InvalidArgumentError, Option } from 'commander';
import { version } from '../version.js';

/** What a command's module brings: `run` answers the exit code, or nothing for 0. */
type Run = ((...given: never[]) => Promise<number>) | ((...given: never[]) => Promise<void>);

const json = () => new Option('--json', 'as JSON, for programs');

function seconds(text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('It must be a whole number of seconds.');
  return Number(text);
}

const grace = () =>
  new Option('--grace <seconds>', 'how long running scripts get when it stops').argParser(seconds).default(30);

/** @param end takes the exit code of the command that ran */
export function createProgram(end: (code: number) => void): Command {
  const program = new Command('doe')
    .description('Directive, Orchestration, Execution: real work by written procedure, acknowledged by a person.')
    .version(version, '-V, --version')
    .option('--home <dir>', 'the home folder (else DOE_HOME, else the nearest home above that you laid out or trusted)')
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .showSuggestionAfterError()
    .showHelpAfterError('Run it with --help to see what it takes.')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'doe: ')) })
    .exitOverride();

  const does =
    <Module>(load: () => Promise<Module>, pick: (module: Module) => Run) =>
    async (...given: unknown[]) => {
      const command = given.pop() as Command;
      given[given.length - 1] = command.optsWithGlobals();
      const run = pick(await load()) as (...args: unknown[]) => ReturnType<Run>;
      end((await run(...given)) ?? 0);
    };

  program.commandsGroup('Begin');
  program
    .command('init')
    .description('lay out a home: folders, first directives with their scripts, .env; never overwrites')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  doe init\n  doe init --home ~/work/agency')
    .action(
      does(
        () => import('./init.js'),
        ({ run }) => run,
      ),
    );
  program
    .command('trust')
    .argument('[names...]', 'directives and automations')
    .description('say yes, once, to exactly what a directive or automation asks for; shows it first')
    .option('--all', 'everything that is new or changed')
    .option('--yes', 'without asking, for set-ups without a terminal')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  doe trust\n  doe trust deploy-project\n  doe trust --all --yes')
    .action(
      does(
        () => import('./trust.js'),
        ({ run }) => run,
      ),
    );

  program.commandsGroup('Run');
  program
    .command('serve')
    .description('bridge, web page, MCP over HTTP, and the worker')
    .option('--no-worker', 'without running tasks here')
    .addOption(grace())
    .addHelpText('after', '\nExamples:\n  doe serve\n  PORT=4000 doe serve --no-worker')
    .action(
      does(
        () => import('./serve.js'),
        ({ run }) => run,
      ),
    );
  program
    .command('worker')
    .description('a worker alone')
    .addOption(grace())
    .action(
      does(
        () => import('./worker.js'),
        ({ run }) => run,
      ),
    );

  program.commandsGroup('Directives');
  program
    .command('directives')
    .description('list the directives; --check says what is wrong with each')
    .option('--check', 'exit with 1 if anything is wrong')
    .addOption(json())
    .addHelpText('after', '\nExamples:\n  doe directives\n  doe directives --check --json')
    .action(
      does(
        () => import('./directives.js'),
        ({ run }) => run,
      ),
    );
  return program;
}
