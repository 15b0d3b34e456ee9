// The table of contents of the command line. Each command's code is loaded only when it runs, so that help stays quick.
import { type Command, InvalidArgumentError, Option, Command as Program } from 'commander';
import { taskStatuses } from '../tasks/states.js';
import { version } from '../version.js';

/** What a command's module brings: it answers the exit code, or nothing for 0. */
type Run = ((...given: never[]) => Promise<number>) | ((...given: never[]) => Promise<void>);

interface Entry {
  /** The command's name with its arguments, as usage shows it. */
  usage: string;
  does: string;
  run: () => Promise<Run>;
  options?: Option[];
  examples: string[];
}

type Group = [title: string, entries: Entry[]];

const json = new Option('--json', 'as JSON, for programs');
const actor = new Option('--actor <name>', 'the name that goes into the record (default: of your key, else yours)');
const grace = new Option('--grace <seconds>', 'how long running scripts get when it stops')
  .argParser(wholeNumber)
  .default(30);
const paging = [
  new Option('--limit <count>', 'at most so many, 1 to 200').argParser(between(1, 200)),
  new Option('--cursor <cursor>', 'next_cursor of the page before'),
];

const groups: Group[] = [
  [
    'Begin',
    [
      {
        usage: 'init',
        does: 'lay out a home: folders, first directives with their scripts, .env; never overwrites',
        run: async () => (await import('./init.js')).run,
        options: [json],
        examples: ['doe init', 'doe init --home ~/work/agency'],
      },
      {
        usage: 'doctor',
        does: 'check home, secret, keys, database, port, interpreters, directives and integrations, each with its mend',
        run: async () => (await import('./doctor.js')).run,
        options: [json],
        examples: ['doe doctor', 'doe doctor --json'],
      },
      {
        usage: 'trust [names...]',
        does: 'say yes, once, to exactly what a directive or automation asks for; shows it first',
        run: async () => (await import('./trust.js')).run,
        options: [
          new Option('--all', 'everything that is new or changed (so also without names)'),
          new Option('--yes', 'without asking, for set-ups without a terminal'),
          json,
        ],
        examples: ['doe trust', 'doe trust deploy-project', 'doe trust --all --yes'],
      },
    ],
  ],
  [
    'Run',
    [
      {
        usage: 'mcp',
        does: 'MCP over stdio, for an editor or desktop client to start; needs --home or DOE_HOME',
        run: async () => (await import('./mcp.js')).run,
        examples: ['doe mcp --home ~/work/agency'],
      },
      {
        usage: 'serve',
        does: 'bridge, web page, MCP over HTTP, and the worker',
        run: async () => (await import('./serve.js')).run,
        options: [new Option('--no-worker', 'without running tasks here'), grace],
        examples: ['doe serve', 'PORT=4000 doe serve --no-worker'],
      },
      {
        usage: 'worker',
        does: 'a worker alone',
        run: async () => (await import('./worker.js')).run,
        options: [grace],
        examples: ['doe worker', 'DOE_CONCURRENCY=8 doe worker --grace 120'],
      },
      {
        usage: 'open',
        does: 'a link that signs you in to the web page, once',
        run: async () => (await import('./open.js')).run,
        options: [json],
        examples: ['doe open'],
      },
      {
        usage: 'passkey add',
        does: 'a link to the page where you enrol a passkey',
        run: async () => (await import('./open.js')).addPasskey,
        options: [json],
        examples: ['doe passkey add'],
      },
    ],
  ],
  [
    'Tasks',
    [
      {
        usage: 'start-task <task_type> <project_id> <task_id> <actor_id> [payload_json]',
        does: 'make a task, show what it would run, ask for ACK, follow it to its end',
        run: async () => (await import('./start-task.js')).run,
        examples: [
          `doe start-task import-site brandedflow TASK001 jen '{"zip":"releases/client1.zip","site_dir":"sites/client1"}'`,
        ],
      },
      {
        usage: 'ack <task_id>',
        does: 'show directive, payload and script of a waiting task, and ask for ACK',
        run: async () => (await import('./ack.js')).run,
        options: [
          actor,
          new Option('--reject', 'refuse it: it is cancelled'),
          new Option('--reason <text>', 'with --reject: why, for whoever made the task'),
          new Option('-f, --follow', 'follow it to its end'),
        ],
        examples: ['doe ack TASK001', 'doe ack TASK001 --reject --reason "wrong client"'],
      },
      {
        usage: 'tasks',
        does: 'list tasks, newest first',
        run: async () => (await import('./tasks.js')).run,
        options: [
          new Option('--status <status>', 'in this state').choices(taskStatuses),
          new Option('--project <project_id>', 'of this project'),
          new Option('--type <task_type>', 'of this task type'),
          ...paging,
          json,
        ],
        examples: ['doe tasks --status awaiting_ack'],
      },
      {
        usage: 'status <task_id>',
        does: 'one task, its last log lines and the next step',
        run: async () => (await import('./status.js')).run,
        options: [new Option('--wait <seconds>', 'for the next change, at most 45').argParser(between(0, 45)), json],
        examples: ['doe status TASK001', 'doe status TASK001 --wait 30 --json'],
      },
      {
        usage: 'logs <task_id>',
        does: 'the log of a task',
        run: async () => (await import('./logs.js')).run,
        options: [new Option('-f, --follow', 'and what comes after, to its end'), json],
        examples: ['doe logs TASK001 -f'],
      },
      {
        usage: 'cancel <task_id>',
        does: 'stop a task that waits, is queued or runs',
        run: async () => (await import('./task-moves.js')).cancel,
        options: [actor, new Option('--reason <text>', 'why')],
        examples: ['doe cancel TASK001 --reason "wrong client"'],
      },
      {
        usage: 'retry <task_id>',
        does: 'send a failed or cancelled task round again, to a fresh acknowledgement',
        run: async () => (await import('./task-moves.js')).retry,
        options: [actor],
        examples: ['doe retry TASK001'],
      },
      {
        usage: 'pause',
        does: 'let no run start anywhere on this home',
        run: async () => (await import('./task-moves.js')).pauseHome,
        examples: ['doe pause'],
      },
      {
        usage: 'resume',
        does: 'let runs start again',
        run: async () => (await import('./task-moves.js')).resumeHome,
        examples: ['doe resume'],
      },
    ],
  ],
  [
    'Directives and automations',
    [
      {
        usage: 'directives',
        does: 'list the directives; --check says what is wrong with each',
        run: async () => (await import('./directives.js')).run,
        options: [new Option('--check', 'exit with 1 if anything is wrong'), json],
        examples: ['doe directives', 'doe directives --check --json'],
      },
      {
        usage: 'new directive <name>',
        does: 'a directive and its script from a template',
        run: async () => (await import('./new-directive.js')).run,
        options: [
          new Option('--language <language>', 'of the script').choices(['python', 'node', 'shell']).default('python'),
        ],
        examples: ['doe new directive publish-newsletter', 'doe new directive tidy-up --language shell'],
      },
      {
        usage: 'automations',
        does: 'list the automations: small functions that run at once',
        run: async () => (await import('./automations.js')).list,
        options: [json],
        examples: ['doe automations', 'doe automations --json'],
      },
      {
        usage: 'run <automation> [params_json]',
        does: 'run an automation and print its result',
        run: async () => (await import('./automations.js')).runOne,
        options: [new Option('--dry-run', 'only say what it would do'), json],
        examples: [`doe run create-client-folder '{"client_name":"test-client"}' --dry-run`],
      },
    ],
  ],
  [
    'Repair',
    [
      {
        usage: 'anneal list',
        does: 'list the repairs',
        run: async () => (await import('./anneal.js')).list,
        options: [
          new Option('--status <status>', 'in this state').choices(['open', 'completed', 'dismissed']),
          ...paging,
          json,
        ],
        examples: ['doe anneal list --status open'],
      },
      {
        usage: 'anneal show <aid>',
        does: 'one bundle with its files',
        run: async () => (await import('./anneal.js')).show,
        options: [json],
        examples: ['doe anneal show anneal_20260131T090000000Z_TASK001'],
      },
      {
        usage: 'anneal complete <task_id>',
        does: 'send a repaired task round again',
        run: async () => (await import('./anneal.js')).complete,
        options: [
          actor,
          new Option('--note <text>', 'what was mended, or why the same run should succeed now'),
          new Option('--payload <json>', 'a corrected payload'),
        ],
        examples: ['doe anneal complete TASK001 --note "the zip was empty"'],
      },
      {
        usage: 'anneal dismiss <task_id>',
        does: 'close a bundle without a repair: the task has failed',
        run: async () => (await import('./anneal.js')).dismiss,
        options: [actor],
        examples: ['doe anneal dismiss TASK001'],
      },
    ],
  ],
  [
    'Record',
    [
      {
        usage: 'audit [action]',
        does: 'who did what; `audit verify` says whether the record was tampered with, `audit export` writes JSON lines',
        run: async () => (await import('./audit.js')).run,
        options: [
          new Option('--task <task_id>', 'of this task only'),
          new Option('--after <seq>', 'events after this one (default: the newest)').argParser(wholeNumber),
          new Option('--limit <count>', 'at most so many, 1 to 1000').argParser(between(1, 1000)),
          new Option('--seal <hash>', 'with verify: the seal that an earlier verify showed must still be there'),
          json,
        ],
        examples: ['doe audit --task TASK001', 'doe audit verify', 'doe audit export > audit.jsonl'],
      },
      {
        usage: 'backup <file>',
        does: 'a whole copy of the database, while everything goes on; overwrites nothing',
        run: async () => (await import('./backup.js')).run,
        options: [json],
        examples: ['doe backup ~/backups/agency.sqlite'],
      },
    ],
  ],
];

const families: Record<string, string> = {
  passkey: 'passkeys, for approvals that no key alone can give',
  new: 'make a directive from a template',
  anneal: 'what failed and waits for repair: list, show, complete, dismiss',
};

const firstSteps = [
  'doe init --home ~/doe',
  'doe serve --home ~/doe',
  `doe start-task import-site acme import-1 me '{"zip": "client1.zip", "site_dir": "sites/client1"}'`,
  'doe tasks --status awaiting_ack',
  'doe start-task --help',
];

const helpExamples = (lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`;

/** @param end takes the exit code of the command that ran */
export function createProgram(end: (code: number) => void): Command {
  const program = new Program('doe')
    .description('Directive, Orchestration, Execution: real work by written procedure, acknowledged by a person.')
    .version(version, '-V, --version')
    .option(
      '--home <dir>',
      'the home folder (else DOE_HOME, else the nearest one above that you laid out or trusted)',
      folderName,
    )
    .configureHelp({ showGlobalOptions: true, subcommandTerm: (command) => command.name() })
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'doe: ')) })
    .showSuggestionAfterError()
    .showHelpAfterError('Run it with --help to see what it takes.')
    .helpCommand(false)
    .exitOverride();
  program.addHelpText('after', helpExamples(firstSteps));
  for (const [title, entries] of groups) {
    program.commandsGroup(title);
    for (const entry of entries) add(program, entry, end);
  }
  return program;
}

function add(program: Command, { usage, does, run, options = [], examples }: Entry, end: (code: number) => void): void {
  const [first = '', ...rest] = usage.split(' ');
  const family = families[first];
  const parent = family === undefined ? program : familyOf(program, first, family);
  const command = parent.command(family === undefined ? usage : rest.join(' ')).description(does);
  for (const option of options) command.addOption(option);
  command.addHelpText('after', helpExamples(examples));
  command.action(async (...given: unknown[]) => {
    // Commander gives the arguments, then the command's own options, then the command.
    const values = given.slice(0, -2);
    const go = (await run()) as (...args: unknown[]) => Promise<number | undefined>;
    end((await go(...values, command.optsWithGlobals())) ?? 0);
  });
}

const familyOf = (program: Command, name: string, description: string): Command =>
  program.commands.find((command) => command.name() === name) ??
  program.command(name).description(description).helpCommand(false);

/** An empty one is a variable of a shell that was not set: the nearest home would be a guess. */
function folderName(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must name a folder.');
  return text;
}

function between(low: number, high: number): (text: string) => number {
  return (text) => {
    const number = wholeNumber(text);
    if (number < low || number > high) throw new InvalidArgumentError(`It must be ${low} to ${high}.`);
    return number;
  };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}
