// `doe init`: a stranger's first five minutes. Lays out a home, trusts what it wrote itself, and says what comes next.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { assertStrongSecret } from '../acks/keys.js';
import { loadConfig } from '../config.js';
import { isKnown, type LaidOut, layOut, rememberHome, writeNew } from '../home.js';
import { ensureSecrets } from '../home-secrets.js';
import type { Dispatcher } from '../tools/dispatcher.js';
import { listTrust, trustItems } from '../tools/index.js';
import { invoke } from '../tools/operation.js';
import { surroundings } from './environment.js';
import { type CommonOptions, terminalCall, withDispatcher } from './home.js';
import { note, say, sayJson } from './output.js';
import { exampleFile, installLine, type Launch, launchFor, type Snippet, shellWord, snippets } from './snippets.js';
import { bold, dim, indented } from './text.js';

export async function run(options: CommonOptions): Promise<void> {
  const around = surroundings();
  const home = resolve(around.cwd, options.home ?? (around.doeHome || '.'));
  assertUsableSettings(home);
  const strangeDatabase = existsSync(join(home, 'db.sqlite')) && !(await isKnown(home, around));
  const laid = await layOut(home);
  const launch = launchFor(home, process);
  const example = await writeNew(join(home, 'mcp.json.example'), `${exampleFile(launch)}\n`);
  (example ? laid.created : laid.kept).push('mcp.json.example');
  const secrets = await ensureSecrets(home);
  const trust = await withDispatcher(loadConfig(home), (dispatcher) => trustOwn(dispatcher, laid));
  if (strangeDatabase) note(strangeDatabaseNote(home));
  else await rememberHome(home, around);
  const done = { home, ...laid, secrets, ...trust };
  if (options.json === true) return sayJson({ ...plain(done), clients: snippets(launch) });
  tell(done);
  for (const snippet of snippets(launch)) tellSnippet(snippet);
  tellNext(home, laid, launch);
}

/** What an existing `.env` gets wrong is told before anything is written. */
function assertUsableSettings(home: string): void {
  const { secret, previousSecret } = loadConfig(home);
  if (secret !== null) assertStrongSecret(secret);
  if (previousSecret !== null) assertStrongSecret(previousSecret, 'MCP_SECRET_PREVIOUS');
}

const strangeDatabaseNote = (home: string): string =>
  `The db.sqlite in ${home} was there before, and may trust what you never saw. \`doe trust --home ${home}\` shows it all.`;

interface Done extends LaidOut {
  home: string;
  secrets: string[];
  trusted: string[];
  untrusted: string[];
}

const plain = ({ foreignScripts, ...rest }: Done) => ({ ...rest, foreign_scripts: foreignScripts });

/**
 * Trusts what this very call wrote. A script can load what lies beside it, so nothing is trusted in the company of files
 * that were there before.
 */
async function trustOwn(dispatcher: Dispatcher, { created, foreignScripts }: LaidOut) {
  const { items } = await invoke(dispatcher, listTrust, {}, terminalCall());
  const files = new Map((await dispatcher.directives.list()).map(({ id, file }) => [id, file]));
  const asking = items.filter(({ trusted }) => !trusted);
  const own = asking.filter(
    ({ kind, id, error }) =>
      kind === 'directive' && error === null && foreignScripts.length === 0 && created.includes(files.get(id) ?? ''),
  );
  if (own.length > 0) {
    const exact = own.map(({ kind, id, sha256, script_sha256 }) => ({ kind, id, sha256, script_sha256 }));
    await invoke(dispatcher, trustItems, { items: exact }, terminalCall());
  }
  const idOf = ({ id }: { id: string }) => id;
  return { trusted: own.map(idOf), untrusted: asking.filter((item) => !own.includes(item)).map(idOf) };
}

function tell({ home, created, kept, secrets, trusted, untrusted }: Done): void {
  say(`${bold(created.length === 0 ? 'This home was laid out before:' : 'Laid out a home:')} ${home}`);
  for (const name of created) say(`  made     ${name}`);
  for (const name of kept) say(dim(`  kept     ${name}`));
  if (secrets.length > 0) say(`  made     ${secrets.join(' and ')} in .env, readable for you alone`);
  for (const id of trusted) say(`  trusted  ${id}`);
  if (untrusted.length > 0) say(`  not trusted yet: ${untrusted.join(', ')}. Look at them with \`doe trust\`.`);
}

function tellSnippet({ client, file, text, link }: Snippet): void {
  say(`\n${bold(client)}${file === null ? '' : dim(`  ${file}`)}`);
  say(indented(text));
  if (link !== undefined) say(dim(indented(`or open ${link}`)));
}

function tellNext(home: string, { created }: LaidOut, { command }: Launch): void {
  const at = `--home ${shellWord(home)}`;
  const first = created.includes(firstToRead) ? `Read ${firstToRead}, then write` : 'Write';
  say(`\n${bold('Next')}`);
  say(`  1. Put one of the above into your client, then ask it: "Which directives are there?"`);
  say(`  2. Or without a client: \`doe serve ${at}\`, and in another terminal \`doe directives ${at}\`.`);
  say(`  3. ${first} your own: \`doe new directive my-job ${at}\`.`);
  if (command === 'npx') say(`  npx leaves no \`doe\` behind. To have it at hand: \`${installLine}\``);
}

const firstToRead = 'directives/import-site.md';
