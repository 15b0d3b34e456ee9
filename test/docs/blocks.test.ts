// The blocks that are not typed into a shell: configurations are parsed and compared with what `doe init` prints, directives
// loaded, scripts run as a task's. The systemd unit and the proxy's configuration are looked at by their form alone.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseDotenv } from 'dotenv';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { type Launch, launchFor, snippets } from '../../src/cli/snippets.js';
import { loadConfig } from '../../src/config.js';
import { parseFrontMatter } from '../../src/directives/front-matter.js';
import { createDirectives } from '../../src/directives/load.js';
import type { Integration } from '../../src/integrations/index.js';
import { knownIntegrations } from '../../src/integrations/known.js';
import { silentLog } from '../../src/log.js';
import { acknowledge } from '../../src/tools/index.js';
import { createTestApp, temporaryFolder, writeFiles } from '../helpers/test-app.js';
import { createJob, logOf, trustAll } from '../helpers/worker-home.js';
import { faultIn, wordsOf } from './doe-words.js';
import { type Block, blockOf, page, pages, root } from './pages.js';

const all = pages.flatMap(({ blocks }) => blocks);
const inLanguage = (...languages: string[]): Block[] => all.filter(({ language }) => languages.includes(language));

/** What a client puts a value in the place of. */
const filledIn = (name: string): string => `\${${name}}`;

const handled = ['sh', 'bash', 'python', 'js', 'markdown', 'yaml', 'json', 'toml', 'ini', 'nginx'];

test('every block is of a language that a test knows, but for lines that hold a place for something', () => {
  for (const { place, text } of all.filter(({ language }) => !handled.includes(language)))
    expect(text, place).toMatch(/<[a-z_]+>|@modelcontextprotocol\/inspector/);
});

describe('configurations', () => {
  /** What npx starts for the home that the pages have. */
  function launch(home: string): Launch {
    const inCache = join(temporaryFolder(), '_npx', 'doe');
    mkdirSync(join(inCache, '..'));
    writeFileSync(inCache, '');
    return launchFor(home, { execPath: process.execPath, argv: ['node', inCache] });
  }

  const mine = (client: string): string =>
    snippets(launch('/home/you/doe')).find((snippet) => snippet.client === client)?.text ?? '';

  test.each(inLanguage('json'))('$place is JSON', ({ text }) => {
    expect(JSON.parse(text)).toBeTypeOf('object');
  });

  test.each([
    ['Cursor', '"mcpServers"'],
    ['Claude Desktop', '"mcpServers"'],
    ['VS Code', '"stdio"'],
    ['Zed', '"context_servers"'],
  ])('%s gets what doe init prints', (client, holding) => {
    expect(JSON.parse(blockOf('README', 'json', holding).text)).toEqual(JSON.parse(mine(client)));
  });

  test('Codex gets what doe init prints', () => {
    expect(parseToml(blockOf('README', 'toml').text)).toEqual(parseToml(mine('Codex')));
  });

  test.each([
    ['Claude Code', 'sh', 'claude mcp'],
    ['MCP Inspector', 'text', 'inspector'],
  ])('%s gets what doe init prints', (client, language, holding) => {
    expect(blockOf('README', language, holding).text.trim()).toBe(mine(client));
  });

  test('VS Code, over HTTP, gets what doe init prints', () => {
    expect(JSON.parse(blockOf('README', 'json', '"inputs"').text)).toEqual(JSON.parse(mine('VS Code, over HTTP')));
  });

  test('Cursor, over HTTP, is told the same address, and no key', () => {
    const server = { url: 'http://127.0.0.1:3001/mcp', headers: { 'X-API-Key': filledIn('env:DOE_KEY') } };
    expect(JSON.parse(blockOf('README', 'json', '"url"').text)).toEqual({ mcpServers: { doe: server } });
  });

  test('the install links hold the same, with the home as the client fills it in', () => {
    const link = (host: string) =>
      new URL(new RegExp(`\\((https://${host}[^)]*)\\)`).exec(page('README').text)?.[1] ?? '').searchParams;
    const cursor = link('cursor.com');
    const config: unknown = JSON.parse(Buffer.from(cursor.get('config') ?? '', 'base64').toString());
    expect([cursor.get('name'), config]).toEqual(['doe', launch(`${filledIn('userHome')}/doe`)]);
    const code = link('insiders.vscode.dev');
    const [input] = JSON.parse(code.get('inputs') ?? '') as { id: string; type: string }[];
    expect(input?.type).toBe('promptString');
    expect(code.get('name')).toBe('doe');
    expect(JSON.parse(code.get('config') ?? '')).toEqual({ type: 'stdio', ...launch(filledIn(`input:${input?.id}`)) });
  });

  test.each(inLanguage('ini').filter(({ text }) => !text.startsWith('[')))(
    '$place is an .env that is taken',
    (block) => {
      expect(loadConfig(temporaryFolder(), parseDotenv(block.text))).toBeTypeOf('object');
    },
  );

  test.each(inLanguage('ini').filter(({ text }) => text.startsWith('[')))('$place has the form of a unit', (block) => {
    const lines = block.text.trim().split('\n').filter(Boolean);
    for (const line of lines) expect(line).toMatch(/^(\[[A-Z][a-z]+\]|[A-Z][A-Za-z]+=\S.*)$/);
    const [, started = ''] = /^ExecStart=\/usr\/bin\/env doe (.*)$/m.exec(block.text) ?? [];
    expect(faultIn(wordsOf(started))).toBeNull();
    expect(started).toMatch(/^serve/);
  });

  test.each(inLanguage('nginx'))('$place has the form of a configuration', ({ text }) => {
    const lines = text.split('\n').flatMap((line) => line.replace(/#.*/, '').trim() || []);
    for (const line of lines) expect(line).toMatch(/[;{}]$/);
    expect(text.split('{').length).toBe(text.split('}').length);
  });
});

describe('directives', () => {
  test.each(inLanguage('yaml'))('$place is front matter that is taken', ({ text }) => {
    expect(parseYaml(text)).toBeTypeOf('object');
    expect(parseFrontMatter(text, { id: 'shown', firstHeading: null })).toMatchObject({ ok: true });
  });

  test.each(inLanguage('markdown'))('$place is a directive whose script is found', async ({ text }) => {
    const home = temporaryFolder();
    writeFiles(home, { 'directives/greet.md': text, 'execution/greet.py': blockOf('README', 'python').text });
    writeFiles(home, { 'execution/doe.py': readFileSync(join(root, 'execution', 'doe.py'), 'utf8') });
    const directives = createDirectives({ home, log: silentLog });
    const directive = await directives.find('greet', 'any');
    await expect(directives.pin(directive, { name: 'Ada' })).resolves.toMatchObject({ payload: { name: 'Ada' } });
    await directives.close();
  });
});

const isScript = ({ text }: Block): boolean => /doe\.validate|validate-ack|DOE_RUN_KEY/.test(text);
const endings: Record<string, string> = { python: 'py', js: 'mjs', bash: 'sh' };

describe('scripts', () => {
  /** The services with their own schemas, and a yes to whatever fits them. */
  const integrations = knownIntegrations({ variables: {} }).map((service): Integration => {
    const run = async () => ({ url: 'https://acme.example' });
    const actions = Object.entries(service.actions).map(([name, action]) => [name, { ...action, run }]);
    return { ...service, actions: Object.fromEntries(actions) };
  });

  test.each(inLanguage('python', 'bash', 'js').filter(isScript))(
    '$place runs as a script',
    async ({ language, text }) => {
      const helpers = ['doe.py', 'doe.mjs'].map((name) => [
        `execution/${name}`,
        readFileSync(join(root, 'execution', name), 'utf8'),
      ]);
      const app = await createTestApp({
        integrations,
        files: {
          'directives/job.md': '---\ntitle: Job\nintegrations: [netlify, n8n]\n---\n# Job\n',
          [`execution/job.${endings[language]}`]: text,
          ...(Object.fromEntries(helpers) as Record<string, string>),
        },
      });
      await trustAll(app);
      const { task_id } = await createJob(app, { payload_json: { name: 'Ada' } });
      await app.call(acknowledge, { task_id, actor_id: 'jo' });
      const { status } = await app.until(task_id, 'succeeded', 'needs_anneal');
      expect([status, await logOf(app, task_id)]).toEqual(['succeeded', expect.anything()]);
    },
  );

  test.each(inLanguage('js').filter((block) => !isScript(block)))('$place is JavaScript', ({ text }) => {
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--check'], { input: text });
    expect([status, String(stderr)]).toEqual([0, '']);
  });
});
