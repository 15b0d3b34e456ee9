import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.js';
import { packageRoot } from '../../src/version.js';
import { command, place } from '../helpers/doe.js';

const at = place();

describe('usage', () => {
  test('--version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
    expect(await at.run(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('--help names every command of the contract', async () => {
    const { code, stdout } = await at.run(['--help']);
    expect(code).toBe(0);
    const names =
      'mcp serve worker init start-task ack trust tasks status logs cancel retry pause resume automations run directives anneal new doctor';
    expect(stdout).toContain('\nExamples:\n  doe init');
    for (const name of names.split(' ')) expect(stdout).toMatch(new RegExp(`^  ${name}\\b`, 'm'));
  });

  test('every command takes --home, and says in its own help what it does, with examples', () => {
    const all = createProgram(() => {}).commands.flatMap((one) => (one.commands.length === 0 ? [one] : one.commands));
    for (const one of all) {
      expect(one.helpInformation()).toContain('--home <dir>');
      expect(one.description()).not.toBe('');
      let help = '';
      one.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect(help).toMatch(/\nExamples:\n {2}(\w+=\S+ )?doe /);
    }
  });

  test('every reading command takes --json', () => {
    const all = createProgram(() => {}).commands.flatMap((one) => (one.commands.length === 0 ? [one] : one.commands));
    const withJson = all
      .filter(({ options }) => options.some(({ long }) => long === '--json'))
      .map((one) => one.name());
    expect(withJson).toEqual(
      expect.arrayContaining([
        'tasks',
        'status',
        'logs',
        'directives',
        'automations',
        'list',
        'show',
        'trust',
        'doctor',
      ]),
    );
  });

  test.each([
    [['serv'], 'Did you mean serve?'],
    [['anneal', 'lst'], 'Did you mean list?'],
    [['tasks', '--statu', 'x'], 'Did you mean --status?'],
    [['status'], "missing required argument 'task_id'"],
    [['start-task', 'a', 'b'], "missing required argument 'task_id'"],
    [['status', 'a', 'b'], 'too many arguments'],
    [['serve', '--grace', 'soon'], 'It must be a whole number.'],
    [['tasks', '--status', 'done'], 'Allowed choices are awaiting_ack,'],
    [['tasks', '--limit', '201'], 'It must be 1 to 200.'],
    [['status', 'a', '--wait', '46'], 'It must be 0 to 45.'],
    [['anneal', 'list', '--status', 'x'], 'Allowed choices are open, completed, dismissed.'],
    [['tasks', '--home', ''], 'It must name a folder.'],
    [['new', 'directive', 'x', '--language', 'perl'], 'Allowed choices are python, node, shell.'],
  ])('wrong usage %j: exit 2, with what is wrong', async (args, words) => {
    const { code, stderr, stdout } = await at.doe(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr).toContain('--help');
  });

  test('without a command it shows what there is: exit 2', async () => {
    const { code, stderr } = await at.doe([]);
    expect(code).toBe(2);
    expect(stderr).toContain('Usage: doe');
  });

  test.each([
    ['tasks'],
    ['status', 'x'],
    ['directives'],
    ['worker'],
    ['new', 'directive', 'x'],
    ['start-task', 'a', 'b', 'c', 'd'],
  ])('%s without a home: exit 2, with how to get one', async (...args) => {
    const { code, stderr } = await at.doe(args);
    expect(code).toBe(2);
    expect(stderr).toContain('doe init');
  });

  test('help loads neither a schema library nor a database', async () => {
    const modules = join(command(), '..', '..', 'cli');
    const files = ['index.js', 'run.js', 'program.js']
      .map((file) => readFileSync(join(modules, file), 'utf8'))
      .join('\n');
    const eager = [...files.matchAll(/^import .* from '([^']+)'/gm)].map(([, from]) => from);
    expect(new Set(eager)).toEqual(
      new Set(['commander', './program.js', '../errors.js', '../tasks/states.js', '../version.js']),
    );
  });
});
