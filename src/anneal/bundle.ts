// Bundles on disk. The store is the truth: a bundle is written whole beside its place and moved there, and any that is missing
// or malformed is written again from the store.
import { existsSync } from 'node:fs';
import { copyFile, lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isoTime } from '../clock.js';
import { parseRevision } from '../directives/revision.js';
import { DispatcherError } from '../errors.js';
import type { Log } from '../log.js';
import type { AnnealRow, Store } from '../queue/store.js';
import type { Redact } from '../redact.js';
import { createRedactor } from '../redact.js';
import type { JsonObject } from '../tasks/outcome.js';
import { idPattern, secretPayloadValues, type Task, visiblePayload } from '../tasks/task.js';
import { failureContext } from './context.js';
import type { Annealer } from './index.js';
import { bundleReadme } from './readme.js';

const mimeTypes: Record<string, string> = {
  '.json': 'application/json',
  '.md': 'text/markdown',
  '.txt': 'text/plain',
  '.py': 'text/x-python',
  '.mjs': 'text/javascript',
  '.js': 'text/javascript',
  '.sh': 'application/x-sh',
};
const always = ['failure.json', 'directive.md', 'task_payload.json', 'log.txt', 'context.json', 'README.md'];
const logPage = 1000;

export interface AnnealerOptions {
  home: string;
  store: Store;
  redact: Redact;
  log: Log;
}

export function createAnnealer({ home, store, redact, log }: AnnealerOptions): Annealer {
  const root = join(home, 'anneal-tasks');
  const folderOf = (aid: string) => join(root, aid);

  const requireRow = async (aid: string): Promise<AnnealRow> => {
    const row = idPattern.test(aid.slice(0, 128)) ? await store.ledger.anneal(aid) : null;
    if (row === null)
      throw new DispatcherError('anneal_not_found', `There is no bundle ${aid}.`, {
        hint: 'List them with `doe anneal list`.',
      });
    return row;
  };

  const opening = new Map<string, Promise<void>>();
  const open = (aid: string): Promise<void> => {
    const running = opening.get(aid) ?? write(aid).finally(() => opening.delete(aid));
    opening.set(aid, running);
    return running;
  };

  const write = async (aid: string) => {
    const row = await requireRow(aid);
    if (await isWhole(folderOf(aid), aid)) return;
    const task = await store.tasks.get(row.taskId);
    if (task === null)
      throw new DispatcherError('task_not_found', `The task ${row.taskId} of the bundle ${aid} is gone.`);
    const files = await bundleFiles({ home, store, redact }, task, row);
    await mkdir(root, { recursive: true });
    const beside = await mkdtemp(join(root, '.new-'));
    try {
      await keepNotes(folderOf(aid), beside);
      for (const [name, text] of Object.entries(files)) await writeFile(join(beside, name), text, { mode: 0o644 });
      await moveInto(beside, folderOf(aid), aid);
    } finally {
      await rm(beside, { recursive: true, force: true });
    }
    log.info('anneal.opened', { aid, task_id: task.id });
  };

  const names = async (aid: string): Promise<string[]> => {
    await open(aid);
    return (await readdir(folderOf(aid))).sort();
  };

  return {
    open,
    files: async (aid) =>
      Promise.all(
        (await names(aid)).map(async (name) => {
          const { size, mtimeMs } = await lstat(join(folderOf(aid), name));
          return {
            name,
            mimeType: mimeTypes[extname(name)] ?? 'text/plain',
            bytes: size,
            modifiedAt: Math.round(mtimeMs),
          };
        }),
      ),
    async read(aid, file) {
      const known = await names(aid);
      if (!known.includes(file) || !(await lstat(join(folderOf(aid), file))).isFile()) {
        throw new DispatcherError('not_found', `The bundle ${aid} has no file ${file}.`, {
          hint: `It has ${known.join(', ')}.`,
        });
      }
      return redact(await readFile(join(folderOf(aid), file), 'utf8'));
    },
    async openMissing() {
      for (let cursor: string | undefined; ; ) {
        const page = await store.ledger.anneals({ status: 'open', limit: 200, cursor });
        for (const { aid } of page.anneals)
          await open(aid).catch((error: unknown) => log.warn('anneal.bundle_delayed', { aid, error }));
        if (page.nextCursor === null) return;
        cursor = page.nextCursor;
      }
    },
    async removeForgotten(before) {
      let removed = 0;
      // Only what is a bundle of ours by name and content: people may keep other things there.
      for (const aid of ((await readdir(root).catch(nullWhereMissing)) ?? []).filter((name) =>
        name.startsWith('anneal_'),
      )) {
        if ((await store.ledger.anneal(aid)) !== null) continue;
        if (!(await isWhole(folderOf(aid), aid)) || (await lastTouchedAt(folderOf(aid))) >= before) continue;
        await rm(folderOf(aid), { recursive: true, force: true });
        removed += 1;
      }
      return removed;
    },
  };
}

/** A whole bundle that another process moved there first stays; what is not whole makes way. */
async function moveInto(beside: string, folder: string, aid: string): Promise<void> {
  try {
    await rename(beside, folder);
  } catch (error) {
    if (await isWhole(folder, aid)) return;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(code)) throw error;
    await rm(folder, { recursive: true, force: true });
    await rename(beside, folder);
  }
}

/** All fixed names there, as plain files that are not empty, the JSON ones whole and of this bundle, and a script. */
async function isWhole(folder: string, aid: string): Promise<boolean> {
  const names = await plainFiles(folder);
  if (!always.every((name) => names.includes(name)) || !names.some((name) => isScriptName(name))) return false;
  try {
    const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8')) as { aid?: unknown };
    const [failure] = await Promise.all([read('failure.json'), read('context.json'), read('task_payload.json')]);
    const sizes = await Promise.all(['directive.md', 'README.md'].map((name) => lstat(join(folder, name))));
    return failure.aid === aid && sizes.every(({ size }) => size > 0);
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const isScriptName = (name: string): boolean => name.startsWith('execution_script');

/** Empty where there is no folder of that name: a link is none. */
async function plainFiles(folder: string): Promise<string[]> {
  const facts = await lstat(folder).catch(nullWhereMissing);
  if (facts?.isDirectory() !== true) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

async function lastTouchedAt(folder: string): Promise<number> {
  const inside = (await readdir(folder)).map((name) => join(folder, name));
  const facts = await Promise.all([folder, ...inside].map((path) => lstat(path)));
  return Math.max(...facts.map(({ mtimeMs }) => mtimeMs));
}

function nullWhereMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}

/** What a repairer wrote beside our files survives their rebuilding. */
async function keepNotes(from: string, to: string): Promise<void> {
  const notes = (await plainFiles(from)).filter((name) => !always.includes(name) && !isScriptName(name));
  for (const name of notes) await copyFile(join(from, name), join(to, name));
}

async function bundleFiles(
  { home, store, redact }: Omit<AnnealerOptions, 'log'>,
  task: Task,
  row: AnnealRow,
): Promise<Record<string, string>> {
  const { failure } = row;
  const hidePayload = createRedactor(secretPayloadValues(task));
  const hide = (text: string) => hidePayload(redact(text));
  const payload = await failedPayload(store, task, row);
  const directive = await store.ledger.content(failure.pins.directiveSha256);
  const script = await store.ledger.content(failure.pins.scriptSha256);
  const scriptName = `execution_script${scriptEnding(home, task, { script, directive })}`;
  const run = failure.runId === null ? null : await store.tasks.run(failure.runId);
  const json = (value: unknown) => hide(`${JSON.stringify(value, null, 2)}\n`);
  return {
    'failure.json': json({
      aid: row.aid,
      task_id: task.id,
      task_type: task.taskType,
      project_id: task.projectId,
      run_id: failure.runId,
      outcome: failure.outcome,
      exit_code: failure.exitCode,
      error_type: failure.errorType,
      classification: failure.classification,
      fingerprint: failure.fingerprint,
      message: failure.message,
      attempts: failure.attempts,
      directive_sha256: failure.pins.directiveSha256,
      script_sha256: failure.pins.scriptSha256,
      payload_sha256: failure.pins.payloadSha256,
      started_at: run === null ? null : isoTime(run.startedAt),
      failed_at: isoTime(failure.at),
      opened_at: isoTime(row.openedAt),
    }),
    'directive.md': hide(directive ?? '(this revision is no longer kept)\n'),
    [scriptName]: hide(script ?? '(this script is no longer kept)\n'),
    'task_payload.json': json(payload),
    'log.txt': hide(await wholeLog(store, task.id)),
    'context.json': json(await failureContext(store, { task, payload, row })),
    'README.md': hide(bundleReadme(task, row, scriptName)),
  };
}

/** As it failed: a repair may have given the task another since. Null where it is no longer known. */
const failedPayload = async (store: Store, task: Task, { failure }: AnnealRow): Promise<JsonObject | null> =>
  failure.pins.payloadSha256 === task.pins.payloadSha256
    ? visiblePayload(task)
    : await store.ledger.failedPayload(failure.id);

/** As the directive names it, else by the default that lies in execution/, else by the script's first line. */
function scriptEnding(
  home: string,
  { taskType }: Task,
  { script, directive }: Record<'script' | 'directive', string | null>,
): string {
  const stem = join(home, 'execution', taskType.replaceAll('-', '_'));
  const found = namedEnding(directive) || ['.py', '.mjs', '.js', '.sh'].find((ending) => existsSync(stem + ending));
  if (found !== undefined) return found;
  const first = script?.split('\n', 1)[0] ?? '';
  if (/^#!.*\b(ba)?sh\b/.test(first)) return '.sh';
  return /^#!.*\bnode\b/.test(first) ? '.mjs' : '.py';
}

/** Empty where the directive names no script, or one without an ending. */
function namedEnding(directive: string | null): string {
  if (directive === null) return '';
  const revision = parseRevision({
    id: 'directive',
    file: 'directive.md',
    bytes: Buffer.from(directive),
    modifiedAt: 0,
  });
  return revision.kind === 'task' ? extname(revision.frontMatter.script ?? '') : '';
}

async function wholeLog(store: Store, taskId: string): Promise<string> {
  const lines: string[] = [];
  for (let after = 0; ; ) {
    const page = await store.logs.read(taskId, { after, limit: logPage });
    lines.push(...page.map(({ at, stream, text }) => `${isoTime(at)} ${stream.padEnd(6)} ${text}\n`));
    if (page.length < logPage) return lines.join('');
    after = page.at(-1)?.id ?? after;
  }
}
