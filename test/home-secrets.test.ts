import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'dotenv';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfig } from '../src/config.js';
import { ensureSecrets } from '../src/home-secrets.js';
import { command, ended } from './helpers/doe.js';
import { refusalOf } from './helpers/errors.js';
import { temporaryFolder, writeFiles } from './helpers/test-app.js';

const fileOf = (home: string) => join(home, '.env');
const read = (home: string) => parse(readFileSync(fileOf(home)));

/** A first start as a process of its own: it answers the secrets that it would go on with. */
function firstStart(home: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const built = (file: string) => JSON.stringify(pathToFileURL(join(dirname(dirname(command())), file)).href);
  const program = `
    const [{ ensureSecrets }, { readVariables }] = await Promise.all([import(${built('home-secrets.js')}), import(${built('config.js')})]);
    await ensureSecrets(process.argv[1]);
    const { MCP_SECRET, MCP_API_KEY } = readVariables(process.argv[1], {});
    console.log(JSON.stringify([MCP_SECRET, MCP_API_KEY]));`;
  const args = ['--input-type=module', '-e', program, home];
  return ended(spawn(process.execPath, args, { env: { PATH: process.env.PATH ?? '' } }));
}

describe('first secrets', () => {
  test('both are made, of 32 random bytes each, into a file for the owner alone', async () => {
    const home = temporaryFolder();
    expect(await ensureSecrets(home)).toEqual(['MCP_SECRET', 'MCP_API_KEY']);
    const { MCP_SECRET = '', MCP_API_KEY = '' } = read(home);
    for (const value of [MCP_SECRET, MCP_API_KEY]) expect(Buffer.from(value, 'base64url')).toHaveLength(32);
    expect(MCP_SECRET).not.toBe(MCP_API_KEY);
    expect(statSync(fileOf(home)).mode & 0o777).toBe(0o600);
    expect(readdirSync(home)).toEqual(['.env']);
  });

  test('what is there is kept: a second call makes nothing', async () => {
    const home = temporaryFolder();
    await ensureSecrets(home);
    const before = readFileSync(fileOf(home), 'utf8');
    expect(await ensureSecrets(home)).toEqual([]);
    expect(readFileSync(fileOf(home), 'utf8')).toBe(before);
  });

  test('empty variables of the process neither hide the secrets of the file nor have others made at each start', async () => {
    onTestFinished(() => void vi.unstubAllEnvs());
    for (const name of ['MCP_SECRET', 'MCP_API_KEY']) vi.stubEnv(name, '');
    const home = temporaryFolder();
    expect(await ensureSecrets(home)).toEqual(['MCP_SECRET', 'MCP_API_KEY']);
    const before = readFileSync(fileOf(home), 'utf8');
    expect(await ensureSecrets(home)).toEqual([]);
    expect(readFileSync(fileOf(home), 'utf8')).toBe(before);
    const { MCP_SECRET, MCP_API_KEY } = read(home);
    expect(loadConfig(home, { MCP_SECRET: '', MCP_API_KEY: '' })).toMatchObject({
      secret: MCP_SECRET,
      operatorKeys: [{ key: MCP_API_KEY }],
    });
  });

  test('only what is missing is added to an existing file, after a last line without its end too', async () => {
    const home = temporaryFolder();
    writeFiles(home, { '.env': '# mine\nMCP_API_KEY=jo:my-own-key\nNETLIFY_AUTH_TOKEN=n1' });
    expect(await ensureSecrets(home)).toEqual(['MCP_SECRET']);
    expect(read(home)).toMatchObject({ MCP_API_KEY: 'jo:my-own-key', NETLIFY_AUTH_TOKEN: 'n1' });
    expect(readFileSync(fileOf(home), 'utf8')).toMatch(/^# mine\n/);
    expect(read(home).MCP_SECRET).toHaveLength(43);
  });

  test('however many start at once, each name stands in the file once', async () => {
    const homes = Array.from({ length: 20 }, () => temporaryFolder());
    const after = async (turns: number, home: string) => {
      for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      await ensureSecrets(home);
    };
    await Promise.all(homes.flatMap((home) => Array.from({ length: 30 }, (_, turns) => after(turns, home))));
    for (const home of homes)
      expect(readFileSync(fileOf(home), 'utf8').match(/^\w+(?==)/gm)).toEqual(['MCP_SECRET', 'MCP_API_KEY']);
  });

  test('of four first starts at once all go on with the same secrets', async () => {
    const home = temporaryFolder();
    const starts = await Promise.all(Array.from({ length: 4 }, () => firstStart(home)));
    expect(starts.map(({ code }) => code)).toEqual(Array(4).fill(0));
    expect(new Set(starts.map(({ stdout }) => stdout)).size).toBe(1);
    const { MCP_SECRET, MCP_API_KEY } = read(home);
    expect(JSON.parse(starts[0]?.stdout ?? '')).toEqual([MCP_SECRET, MCP_API_KEY]);
    expect(readdirSync(home)).toEqual(['.env']);
  });

  test('whoever of eight calls at once has returned reads the secrets that stay', async () => {
    const home = temporaryFolder();
    const seen = await Promise.all(
      Array.from({ length: 8 }, async () => {
        await ensureSecrets(home);
        return read(home);
      }),
    );
    expect(new Set(seen.map((secrets) => JSON.stringify(secrets)))).toEqual(new Set([JSON.stringify(read(home))]));
  });

  test('of two starts at once on a file that lacks them both go on with the same secrets, and the file keeps its lines', async () => {
    const home = temporaryFolder();
    writeFiles(home, { '.env': 'TZ=UTC\n' });
    const starts = await Promise.all(Array.from({ length: 2 }, () => firstStart(home)));
    expect(new Set(starts.map(({ stdout }) => stdout)).size).toBe(1);
    const { TZ, MCP_SECRET, MCP_API_KEY } = read(home);
    expect(TZ).toBe('UTC');
    expect(JSON.parse(starts[0]?.stdout ?? '')).toEqual([MCP_SECRET, MCP_API_KEY]);
  });

  test('a start that crashed after its claim is finished by the next one, with the same values', async () => {
    const home = temporaryFolder();
    const claimed = { MCP_SECRET: 's'.repeat(43), MCP_API_KEY: 'k'.repeat(43) };
    writeFiles(home, { '.env.first': JSON.stringify(claimed) });
    await ensureSecrets(home);
    expect(read(home)).toEqual(claimed);
    expect(existsSync(join(home, '.env.first'))).toBe(false);
  });

  test('a power cut leaves no empty file: claim and .env are on disk before they have their names, and the name before the claim goes', async () => {
    const home = temporaryFolder();
    const handle = await open(home);
    await handle.close();
    const prototype = Object.getPrototypeOf(handle) as Pick<typeof handle, 'sync'>;
    const real = prototype.sync;
    const synced: [inode: number, names: string[]][] = [];
    vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof handle) {
      const { ino } = await this.stat();
      synced.push([ino, readdirSync(home).filter((name) => !/\.[\w-]{8}$/.test(name))]);
      await real.call(this);
    });
    onTestFinished(() => void vi.restoreAllMocks());
    await ensureSecrets(home);
    const [claim, env, folder] = synced;
    expect([claim?.[1], env?.[1], folder?.[1]]).toEqual([[], ['.env.first'], ['.env', '.env.first']]);
    expect([env?.[0], folder?.[0]]).toEqual([statSync(fileOf(home)).ino, statSync(home).ino]);
  });

  test('a link is never written through', async () => {
    const home = temporaryFolder();
    const target = join(temporaryFolder(), 'profile');
    writeFileSync(target, 'TZ=UTC\n');
    symlinkSync(target, fileOf(home));
    const refusal = await refusalOf(() => ensureSecrets(home));
    expect(refusal.code).toBe('home_not_writable');
    expect(readFileSync(target, 'utf8')).toBe('TZ=UTC\n');
  });

  test('a folder by that name is refused', async () => {
    const home = temporaryFolder();
    mkdirSync(fileOf(home));
    expect((await refusalOf(() => ensureSecrets(home))).code).toBe('config_invalid');
  });
});
