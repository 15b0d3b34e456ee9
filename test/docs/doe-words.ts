// Whether the words of a `doe` command are ones that it takes: its name, its options, the number of its arguments.
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.js';

const program = createProgram(() => {});

/** Every command that can be typed, such as `anneal list`. */
export const commandNames = (parent: Command = program, before = ''): string[] =>
  parent.commands.flatMap((command) => {
    const name = `${before}${command.name()}`;
    return command.commands.length === 0 ? [name] : commandNames(command, `${name} `);
  });

/** Words as a shell makes them of a line, placeholders such as `<task_id>` among them; a comment ends it. */
export const wordsOf = (line: string): string[] =>
  [...line.replace(/(^|\s)#.*$/, '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain ?? '',
  );

/** What is wrong with the words after `doe`; null where nothing is. */
export function faultIn(words: readonly string[]): string | null {
  let command = program;
  const rest = [...words];
  for (;;) {
    const next = command.commands.find((one) => one.name() === rest[0]);
    if (next === undefined) break;
    command = next;
    rest.shift();
  }
  if (command.commands.length > 0 && rest.some((word) => !word.startsWith('-')))
    return `there is no command ${rest.join(' ')}`;
  const options = [...command.options, ...program.options];
  const given: string[] = [];
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? '';
    if (!word.startsWith('-')) {
      given.push(word);
      continue;
    }
    const option = options.find((one) => [one.short, one.long].includes(word.split('=')[0]));
    if (option === undefined && word !== '--help') return `${command.name()} has no option ${word}`;
    if (option?.required === true && !word.includes('=')) at += 1;
  }
  const most = command.registeredArguments.some(({ variadic }) => variadic)
    ? Number.POSITIVE_INFINITY
    : command.registeredArguments.length;
  return given.length > most ? `${command.name()} takes ${most} arguments, not ${given.length}` : null;
}

/** The options of a command such as `anneal list`, without those of every command. */
export function optionNames(name: string): string[] {
  const command = name.split(' ').reduce((parent, word) => {
    const found = parent.commands.find((one) => one.name() === word);
    if (found === undefined) throw new Error(`There is no command ${name}.`);
    return found;
  }, program);
  return command.options.flatMap(({ long }) => (long == null ? [] : [long]));
}
