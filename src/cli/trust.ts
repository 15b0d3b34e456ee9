// `doe trust`: shows what is new or changed, asks, and remembers the yes to exactly that. Works with and without a bridge.
import type { z } from 'zod';
import { loadConfig, readVariables } from '../config.js';
import { DispatcherError } from '../errors.js';
import { isHome, isKnown, rememberHome } from '../home.js';
import { ensureSecrets } from '../home-secrets.js';
import { orMeant } from '../suggest.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { listTrust, trustItems } from '../tools/index.js';
import { invoke } from '../tools/operation.js';
import { askYesNo, assertTerminal } from './ask.js';
import { surroundings } from './environment.js';
import { type CommonOptions, settingsOf, terminalCall, withDispatcher } from './home.js';
import { note, say, sayJson } from './output.js';
import { bold, styled, visible, visibleLine } from './text.js';

export interface TrustOptions extends CommonOptions {
  all?: boolean;
  yes?: boolean;
}

type Item = z.infer<typeof listTrust.output>['items'][number];

export async function run(names: string[], options: TrustOptions): Promise<number> {
  if (options.yes === true && names.length === 0 && options.all !== true) {
    throw new DispatcherError('invalid_input', '--yes needs to know to what.', {
      hint: 'Name what is to be trusted, or add --all.',
    });
  }
  const { home } = await settingsOf(options);
  await tellBroughtSettings(home);
  if (isHome(home)) await ensureSecrets(home);
  return withDispatcher(loadConfig(home), async (dispatcher) => {
    const { items } = await invoke(dispatcher, listTrust, {}, terminalCall());
    if (options.json === true) {
      sayJson({ items, next_cursor: null });
      return 0;
    }
    // In a home that this user does not know, the database may have come along with the files, and its trust is nobody's.
    const known = await isKnown(home, surroundings());
    const wanted = choose(items, names).filter(({ trusted }) => !trusted || !known);
    const refused = await trustEach(dispatcher, wanted, options);
    const unseen = items.filter((item) => item.trusted && !wanted.includes(item));
    if (refused === 0 && (known || unseen.length === 0)) await rememberHome(home, surroundings());
    return refused === 0 ? 0 : 1;
  });
}

/** A copy of somebody's folder may bring keys that its maker knows, or an address that everybody reaches. */
async function tellBroughtSettings(home: string): Promise<void> {
  const names = Object.keys(readVariables(home, {}));
  if (names.length === 0 || (await isKnown(home, surroundings()))) return;
  note(`This home brings settings of its own in .env: ${visibleLine(names.join(', '))}.`);
  note('They will hold here. Unless you wrote them yourself, delete the file before you trust anything.');
}

function choose(items: Item[], names: string[]): Item[] {
  const ids = items.map(({ id }) => id);
  const unknown = names.find((name) => !ids.includes(name));
  if (unknown !== undefined) {
    throw new DispatcherError(
      'directive_not_found',
      `Nothing by the name ${unknown} asks for trust.${orMeant(unknown, ids)}`,
      { hint: ids.length === 0 ? 'Nothing in this home does.' : `These do: ${ids.join(', ')}.` },
    );
  }
  return names.length === 0 ? items : items.filter(({ id }) => names.includes(id));
}

/** @returns how many were not trusted */
async function trustEach(dispatcher: Dispatcher, items: Item[], { yes }: TrustOptions): Promise<number> {
  if (items.length === 0) say('Nothing waits for trust.');
  let refused = 0;
  for (const item of items) {
    show(item);
    const { kind, id, sha256, script_sha256 } = item;
    if (item.error !== null || !(yes === true || (await confirm(id)))) {
      refused++;
      note(item.error === null ? `${id} is not trusted.` : `${id} cannot be trusted: ${visible(item.error)}`);
      continue;
    }
    await invoke(dispatcher, trustItems, { items: [{ kind, id, sha256, script_sha256 }] }, terminalCall());
    say(`Trusted ${id} as it was shown.`);
  }
  return refused;
}

async function confirm(id: string): Promise<boolean> {
  const hint = `Run \`doe trust ${id}\` at a terminal; in a set-up without one, add --yes.`;
  assertTerminal('Trusting', hint, process.stdout);
  return askYesNo(`Trust ${id} as shown above?`);
}

function show({ kind, id, asks_for, diff }: Item): void {
  say(`\n${bold(`${kind} ${visibleLine(id)}`)} asks for ${visibleLine(asks_for.join('; '))}`);
  for (const line of visible(diff).split('\n')) say(diffLine(line));
}

const diffLine = (line: string): string =>
  line.startsWith('+') ? styled('green', line) : line.startsWith('-') ? styled('red', line) : line;
