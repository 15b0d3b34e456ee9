// A home's first secrets. Of two first starts one makes them and both read the same ones.
import { randomBytes } from 'node:crypto';
import { link, lstat, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { nanoid } from 'nanoid';
import { readVariables } from './config.js';
import { DispatcherError } from './errors.js';
import { unwritable } from './home.js';
import { replaceFile, writeSynced } from './whole-file.js';

const names = ['MCP_SECRET', 'MCP_API_KEY'] as const;

/**
 * Makes MCP_SECRET and MCP_API_KEY in the home's `.env` (mode 0600) where neither the environment nor the file has them.
 *
 * What is to be written is first agreed upon: a claim beside `.env`, which a link makes whole and only once. Whoever finds one
 * takes its values. A claim goes only after `.env` holds them, so a crash at any point leaves nothing that the next start
 * would not finish with the same values.
 * @returns the names that this call put there
 * @throws DispatcherError `home_not_writable`
 */
export async function ensureSecrets(home: string): Promise<string[]> {
  const file = join(home, '.env');
  const missing = missingIn(home);
  if (missing.length === 0) return [];
  await assertOwnFile(file);
  const values = await agree(join(home, '.env.first'));
  const added = await extend(file, missingIn(home), values);
  await rm(join(home, '.env.first'), { force: true });
  return added;
}

const missingIn = (home: string): string[] => {
  const variables = readVariables(home);
  return names.filter((name) => (variables[name] ?? '') === '');
};

/** The claim's values: ours if we are first, else those of whoever was. */
async function agree(claim: string): Promise<Record<string, string>> {
  const draft = `${claim}.${nanoid(8)}`;
  const mine = Object.fromEntries(names.map((name) => [name, randomBytes(32).toString('base64url')]));
  try {
    await writeSynced(draft, JSON.stringify(mine));
    for (;;) {
      const first = await link(draft, claim).then(() => true, falseWhere('EEXIST'));
      if (first) return mine;
      const theirs = await readFile(claim, 'utf8').catch(nullWhere('ENOENT'));
      if (theirs !== null) return JSON.parse(theirs) as Record<string, string>;
    }
  } catch (error) {
    throw unwritable(claim, error);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Judged by the very text that is replaced: another first start may have written its lines a moment ago. */
async function extend(file: string, missing: string[], values: Record<string, string>): Promise<string[]> {
  const before = (await readFile(file, 'utf8').catch(nullWhere('ENOENT'))) ?? '';
  const there = parse(before);
  const absent = missing.filter((name) => (there[name] ?? '') === '');
  const gap = before === '' || before.endsWith('\n') ? '' : '\n';
  const lines = absent.map((name) => `${name}=${values[name]}\n`);
  if (lines.length > 0) await replaceFile(file, before + gap + lines.join(''));
  return absent;
}

/** A link could lead what we write to any file of the user. */
async function assertOwnFile(file: string): Promise<void> {
  const facts = await lstat(file).catch(nullWhere('ENOENT'));
  if (facts === null || facts.isFile()) return;
  throw new DispatcherError(
    'home_not_writable',
    `${file} is a link or a folder; the first secrets go only into a file.`,
    {
      hint: 'Replace it by a file, or set MCP_SECRET and MCP_API_KEY yourself.',
    },
  );
}

const falseWhere = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code === code) return false;
  throw error;
};

const nullWhere = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code === code) return null;
  throw error;
};
