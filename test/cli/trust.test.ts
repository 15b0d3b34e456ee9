import { cpSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createApp } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import { silentLog } from '../../src/log.js';
import { trustEntries } from '../../src/tools/trust.js';
import { ownSecrets, type Place, place } from '../helpers/doe.js';
import { appSecrets, createTestApp } from '../helpers/test-app.js';

const files = {
  ...ownSecrets,
  'directives/quick.md': '---\nrequire_ack: false\n---\n# Quick\n',
  'execution/quick.sh': 'echo quick\n',
  'directives/keys.md': '---\nsecrets: [NETLIFY_AUTH_TOKEN]\nincludes: ["keys.sh"]\n---\n# Keys\n',
  'execution/keys.sh': 'echo keys\n',
  'directives/plain.md': '# No front matter\n',
};

/** What the store of the home trusts, asked inside this process. */
async function trusted({ home }: Place): Promise<string[]> {
  const app = await createApp({ config: loadConfig(home, {}), kind: 'command', log: silentLog });
  const items = await trustEntries(app.dispatcher);
  await app.stop();
  return items.filter((item) => item.trusted).map(({ id }) => id);
}

describe('doe trust', () => {
  test('shows what each asks for with its text, asks, and remembers a yes and no no; works without a bridge', async () => {
    const at = place(files);
    const { code, stdout } = await at.atTerminal(
      ['trust', '--home', at.home],
      [
        ['Trust keys as shown above? (yes/no) ', 'maybe\r'],
        ['Trust keys as shown above? (yes/no) ', 'no\r'],
        ['Trust quick as shown above? (yes/no) ', 'yes\r'],
      ],
    );
    expect(code).toBe(1);
    expect(stdout).toContain('asks for secrets: NETLIFY_AUTH_TOKEN');
    expect(stdout).toContain('+echo keys');
    expect(stdout).toContain('asks for require_ack: false');
    expect(await trusted(at)).toEqual(['quick']);
  });

  test('what was trusted and then changed is shown as a diff and asked for again', async () => {
    const at = place(files);
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    expect(await trusted(at)).toEqual(['keys', 'quick']);
    at.write({ 'execution/keys.sh': 'echo "$NETLIFY_AUTH_TOKEN"\n' });
    expect(await trusted(at)).toEqual([]);
    const { stdout } = await at.atTerminal(['trust', 'keys', '--home', at.home], [['(yes/no) ', 'yes\r']]);
    expect(stdout).toContain('-echo keys');
    expect(stdout).toContain('+echo "$NETLIFY_AUTH_TOKEN"');
    expect(await trusted(at)).toEqual(['keys']);
  });

  test('a fix_script, and a change in a file that the script only loads, are shown before the yes', async () => {
    const at = place({
      ...files,
      'directives/keys.md': '---\nsecrets: [NETLIFY_AUTH_TOKEN]\nfix_script: mend.sh\n---\n# Keys\n',
      'execution/mend.sh': 'echo mend-it\n',
      'execution/lib/helper.sh': 'echo 1\n',
    });
    const diff = async () => {
      const { stdout } = await at.doe(['trust', '--json', '--home', at.home]);
      return (JSON.parse(stdout) as { items: { id: string; diff: string }[] }).items.find(({ id }) => id === 'keys')
        ?.diff;
    };
    expect(await diff()).toContain('+echo mend-it');
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    expect(await diff()).toBe('');
    at.write({ 'execution/lib/helper.sh': 'curl evil.example\n' });
    expect(await diff()).toMatch(/^-[0-9a-f]{12} lib\/helper\.sh\n\+[0-9a-f]{12} lib\/helper\.sh$/m);
  });

  test('the settings that a copied home brings along are named before anything is trusted, once', async () => {
    const at = place({ ...files, '.env': 'HOST=0.0.0.0\nMCP_API_KEY=known-to-the-maker-0123456789abcdef\n' });
    const first = await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    expect(first.stderr).toContain('HOST, MCP_API_KEY');
    expect(first.stderr).not.toContain('known-to-the-maker');
    expect((await at.doe(['trust', '--all', '--yes', '--home', at.home])).stderr).not.toContain('HOST');
  });

  test('a pipe is no person: exit 4, and --yes is named for set-ups', async () => {
    const at = place(files);
    const { code, stderr } = await at.run(['trust', '--home', at.home], { input: 'yes\nyes\n' });
    expect(code).toBe(4);
    expect(stderr).toContain('--yes');
    expect(await trusted(at)).toEqual([]);
  });

  test('--yes does not guess to what: exit 2', async () => {
    const at = place(files);
    expect((await at.doe(['trust', '--yes', '--home', at.home])).code).toBe(2);
    expect(await trusted(at)).toEqual([]);
  });

  test('--yes with names trusts these alone', async () => {
    const at = place(files);
    expect((await at.doe(['trust', 'quick', '--yes', '--home', at.home])).code).toBe(0);
    expect(await trusted(at)).toEqual(['quick']);
  });

  test('an unknown name: exit 2, with the nearest', async () => {
    const at = place(files);
    const { code, stderr } = await at.doe(['trust', 'quik', '--home', at.home]);
    expect(code).toBe(2);
    expect(stderr).toContain('Did you mean quick?');
  });

  test('one whose script is missing cannot be trusted: exit 1', async () => {
    const at = place({ 'directives/quick.md': files['directives/quick.md'], 'execution/other.sh': '' });
    const { code, stderr } = await at.doe(['trust', 'quick', '--yes', '--home', at.home]);
    expect(code).toBe(1);
    expect(stderr).toContain('names no script');
    expect(await trusted(at)).toEqual([]);
  });

  test('a home that was trusted is known from then on, one that was refused is not', async () => {
    const at = place(files);
    await at.atTerminal(['trust', 'quick', '--home', at.home], [['(yes/no) ', 'no\r']]);
    expect((await at.doe(['directives'])).code).toBe(2);
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    expect((await at.doe(['directives'])).code).toBe(0);
  });

  test('a database that came along with the files is not believed: what it trusts is shown and asked for', async () => {
    const stranger = place(files);
    await stranger.doe(['trust', '--all', '--yes', '--home', stranger.home]);
    const at = place();
    cpSync(stranger.home, at.home, { recursive: true });
    expect((await at.doe(['init'])).stderr).toContain('may trust what you never saw');
    expect((await at.doe(['tasks'])).code).toBe(2);
    const partly = await at.doe(['trust', 'quick', '--yes', '--home', at.home]);
    expect(partly.code).toBe(0);
    expect((await at.doe(['directives'])).code).toBe(2);
    const { stdout } = await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    expect(stdout).toContain('directive keys asks for secrets');
    expect((await at.doe(['directives'])).code).toBe(0);
  });

  test('it takes effect in a running bridge at once', async () => {
    const at = place({ ...files, ...appSecrets });
    await createTestApp({ home: at.home, files: {} });
    const start = (id: string) => at.doe(['start-task', 'quick', 'p', id, 'a', '--home', at.home]);
    expect((await start('T1')).code).toBe(4);
    await at.doe(['trust', '--all', '--yes', '--home', at.home]);
    const { code, stdout } = await start('T2');
    expect(code).toBe(0);
    expect(stdout).toContain('quick');
  });
});
