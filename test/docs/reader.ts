// A reader who does what a page says: a home of their own, a shell that keeps its variables and folder from block to block,
// and a `doe serve` on a free port where the pages have the default one.

import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command, type Ended, ended, event, place } from '../helpers/doe.js';
import { python } from '../helpers/python.js';
import { wordsOf } from './doe-words.js';
import type { Block } from './pages.js';

const terminal = fileURLToPath(new URL('../fixtures/terminal.py', import.meta.url));
const defaultAddress = 'http://127.0.0.1:3001';
const outsideWords = ['npm', 'claude'];

export interface Reader {
  /** The folder that the shell is in. */
  home: string;
  write(files: Record<string, string>): void;
  /** Runs a block as it stands; `doe serve` alone is started and left running. */
  follow(block: Block): Promise<Ended>;
  /** What was typed to programs that this project does not bring, a line each. */
  outside(): string[];
  /** Stops what was started, and removes what was made. */
  close(): Promise<void>;
}

/** A home as `doe init` lays it out, made once and copied for each reader; gone with the tests of the file. */
const model = place();
let laidOut: Promise<unknown> | undefined;

export interface ReaderOptions {
  /** Begins in an empty folder, without a home. */
  bare: boolean;
  /** A server is there from the beginning. */
  served: boolean;
}

export async function openReader({ bare, served }: ReaderOptions): Promise<Reader> {
  const at = place();
  const bin = join(at.folder, 'bin');
  const said = join(at.folder, 'outside.log');
  const state = join(at.folder, 'shell');
  const home = bare ? at.folder : at.home;
  writeFileSync(said, '');
  writeFileSync(state, `cd '${home}'\n`);
  programs(bin, said);
  const environment = { ...at.environment, PATH: `${bin}:${at.environment.PATH}` };
  const stops: (() => Promise<unknown>)[] = [];
  let address = defaultAddress;

  const run = (script: string, steps: [string, string][]): Promise<Ended> => {
    const file = join(at.folder, 'block.sh');
    writeFileSync(file, `. '${state}'\nset -euo pipefail\n${script}\n{ export -p; echo "cd '$PWD'"; } > '${state}'\n`);
    const [program = '', ...args] =
      steps.length === 0 ? ['bash', file] : [python(), terminal, JSON.stringify(steps), 'bash', file];
    const child = spawn(program, args, { env: environment, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    return ended(child);
  };

  const serve = async (words: string[]): Promise<Ended> => {
    const cwd = /^cd '(.*)'$/m.exec(readFileSync(state, 'utf8').trimEnd().split('\n').at(-1) ?? '')?.[1] ?? home;
    const child = spawn(process.execPath, [command(), ...words], { env: environment, cwd, stdio: 'pipe' });
    const end = ended(child);
    address = String((await event(child, 'serve.ready', end)).address);
    stops.push(() => {
      child.kill('SIGTERM');
      return end;
    });
    return { code: 0, stdout: '', stderr: '' };
  };

  if (!bare) {
    laidOut ??= model.doe(['init']);
    await laidOut;
    cpSync(model.home, home, { recursive: true });
    if (served) await serve(['serve', '--home', home]);
    const key = /^MCP_API_KEY=(.*)$/m.exec(readFileSync(join(home, '.env'), 'utf8'))?.[1];
    const variables = `export DOE_HOME='${home}' KEY='${key}'${served ? ` MCP_URL='${address}'` : ''}`;
    writeFileSync(state, `${variables}\ncd '${home}'\n`);
  }
  return {
    home,
    write: (files) => at.write(files),
    follow(block) {
      const [only = '', ...more] = commandsIn(block.text);
      if (more.length === 0 && /^doe serve\b/.test(only)) return serve(wordsOf(only).slice(1));
      return run(block.text.replaceAll(defaultAddress, address), answersTo(block.text));
    },
    outside: () => readFileSync(said, 'utf8').split('\n').filter(Boolean),
    async close() {
      await Promise.all(stops.map((stop) => stop()));
      rmSync(at.folder, { recursive: true, force: true });
    },
  };
}

/** `doe` itself; `npx` as far as it starts `doe`; and what is only noted down. */
function programs(bin: string, said: string): void {
  mkdirSync(bin);
  const note = (name: string) => `printf '%s ' ${name} "$@" >> '${said}'; echo >> '${said}'\n`;
  const doe = `exec '${process.execPath}' '${command()}'`;
  const texts: Record<string, string> = {
    doe: `${doe} "$@"\n`,
    npx: `${note('npx')}while [ $# -gt 0 ]; do word=$1; shift; [ "$word" = doe-dispatcher ] && ${doe} "$@"; done\n`,
    ...Object.fromEntries(outsideWords.map((name) => [name, note(name)])),
  };
  for (const [name, text] of Object.entries(texts)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}`);
    chmodSync(join(bin, name), 0o755);
  }
}

/** The commands of a block, without comments and continued lines. */
export const commandsIn = (text: string): string[] =>
  text
    .replace(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter(Boolean);

/** What a person types while the commands of a block ask: a yes to each of them. */
function answersTo(text: string): [string, string][] {
  return commandsIn(text).flatMap((line): [string, string][] => {
    const [program, name, ...rest] = wordsOf(line);
    if (program !== 'doe' || rest.includes('--yes') || rest.includes('--reject')) return [];
    if (name === 'start-task' || name === 'ack') return [['Type ACK', 'ACK\r']];
    return name === 'trust' ? rest.map((one) => [`Trust ${one} as shown above?`, 'yes\r']) : [];
  });
}
