// Reads directives/ at the moment of use. What a file says is remembered by its content alone.
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { computeBinding } from '../acks/binding.js';
import { DispatcherError } from '../errors.js';
import { unreadable } from '../home.js';
import type { Log } from '../log.js';
import { orMeant } from '../suggest.js';
import { containedPath } from './contain.js';
import type { Directive, Directives, TaskDirective } from './index.js';
import { checkedPayload } from './payload.js';
import { parseRevision } from './revision.js';
import { coveredTexts, digestScript } from './script.js';
import { createDiskWatch } from './watch.js';

export function createDirectives({ home, log }: { home: string; log: Log }): Directives {
  const folder = join(home, 'directives');
  const disk = createDiskWatch(home, log);

  const list = async (): Promise<Directive[]> => {
    const files = entriesOf(folder).filter(({ name }) => name.endsWith('.md') && !/^[._]/.test(name));
    const read = await Promise.all(files.map((file) => readDirective(folder, file)));
    return refuseDoubles(read.filter((directive) => directive !== null)).sort((one, other) =>
      one.id.localeCompare(other.id, 'en'),
    );
  };

  return {
    list,
    byId: async (id) => (await list()).find((directive) => directive.id === id) ?? null,
    async find(taskType, projectId) {
      const all = await list();
      const fitting = all.filter(
        (directive) => directive.kind === 'task' && directive.frontMatter.taskType === taskType,
      ) as TaskDirective[];
      const found =
        fitting.find(({ frontMatter }) => frontMatter.projectId === projectId) ??
        fitting.find(({ frontMatter }) => frontMatter.projectId === '*');
      // A broken directive that may be meant for this very project must not let "*" stand in for it.
      const broken =
        all.find((directive) => directive.kind === 'broken' && directive.id === taskType) ??
        all.find((directive) => brokenFor(directive, taskType, projectId));
      if (broken?.kind === 'broken' && found?.frontMatter.projectId !== projectId) throw brokenDirective(broken);
      if (found !== undefined) return found;
      throw notFound(all, taskType, projectId);
    },
    async pin(directive, given) {
      const checked = await checkedPayload(home, directive.frontMatter.payload, given);
      const { sha256: scriptSha256, script, fixScript, covered } = await digestScript(home, directive);
      const hashes = {
        directiveSha256: directive.sha256,
        payloadSha256: checked.payloadSha256,
        filesSha256: checked.filesSha256,
        scriptSha256,
      };
      const pins = {
        directiveId: directive.id,
        directiveVersion: directive.frontMatter.version,
        ...hashes,
        binding: computeBinding(hashes),
      };
      return {
        directive,
        payload: checked.payload,
        payloadJson: checked.payloadJson,
        secretPaths: checked.secretPaths,
        pins,
        script,
        fixScript,
        covered,
      };
    },
    payloadDigests: (directive, given) => checkedPayload(home, directive.frontMatter.payload, given),
    scriptDigest: (directive) => digestScript(home, directive),
    texts: (covered) => coveredTexts(home, covered),
    watch: disk.watch,
    close: disk.close,
  };
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((one, other) => (one.name < other.name ? -1 : 1));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(folder, error);
  }
}

async function readDirective(folder: string, entry: Dirent): Promise<Directive | null> {
  const id = entry.name.slice(0, -'.md'.length);
  const file = `directives/${entry.name}`;
  const broken = (error: string): Directive => ({
    kind: 'broken',
    id,
    file,
    title: id,
    content: '',
    sha256: '',
    modifiedAt: 0,
    error,
  });
  const found = entry.isSymbolicLink() ? await containedPath(folder, entry.name) : { path: join(folder, entry.name) };
  if (found === 'missing') return null;
  if (found === 'outside') return broken('The file is a link that leads out of directives/.');
  try {
    const facts = statSync(found.path);
    if (!facts.isFile()) return null;
    return parseRevision({ id, file, bytes: readFileSync(found.path), modifiedAt: Math.round(facts.mtimeMs) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    return broken(`The file cannot be read: ${(error as Error).message}`);
  }
}

/** Two that claim the same id, or the same task type and project, are both broken: nobody can say which one was meant. */
function refuseDoubles(directives: Directive[]): Directive[] {
  const rivals = (directive: Directive, claim: (directive: Directive) => string | null) => {
    const mine = claim(directive);
    return mine === null ? [] : directives.filter((other) => other !== directive && claim(other) === mine);
  };
  const match = (directive: Directive) =>
    directive.kind === 'task'
      ? JSON.stringify([directive.frontMatter.taskType, directive.frontMatter.projectId])
      : null;
  return directives.map((directive) => {
    const [twin] = rivals(directive, ({ id }) => id);
    const [double] = rivals(directive, match);
    if (twin === undefined && double === undefined) return directive;
    const error =
      double === undefined
        ? `${twin?.file} has the same id ${directive.id}. Give each its own \`id\`.`
        : `${double.file} matches the same task type and project. Change \`task_type\` or \`project_id\` in one of them.`;
    const { id, file, title, content, sha256, modifiedAt } = directive;
    // Each broken twin stands under its file's name, so that both can be looked at.
    return {
      kind: 'broken',
      id: twin === undefined ? id : file.slice('directives/'.length, -'.md'.length),
      file,
      title,
      content,
      sha256,
      modifiedAt,
      error,
    };
  });
}

/**
 * A broken file cannot say what it is for, but its text may name the task type, or the id that stands in for it, and the
 * project. One whose file has the name of the task type is looked for apart.
 */
function brokenFor({ kind, content }: Directive, taskType: string, projectId: string): boolean {
  if (kind !== 'broken') return false;
  const says = (key: string) => new RegExp(`^["']?${key}["']?[ \\t]*:`, 'm').test(content);
  const names = (key: string, value: string) => {
    const quoted = value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const pair = `["']?${key}["']?[ \\t]*:[ \\t]*["']?${quoted}["']?`;
    return new RegExp(`(?:^|[{,])[ \\t]*${pair}[ \\t]*(?:#.*)?(?:$|[,}])`, 'm').test(content);
  };
  const ofType = names('task_type', taskType) || (!says('task_type') && names('id', taskType));
  return ofType && (names('project_id', projectId) || names('project_id', '*') || !says('project_id'));
}

const brokenDirective = ({ id, file, error }: Directive & { kind: 'broken' }): DispatcherError =>
  new DispatcherError('directive_broken', `The directive ${id} (${file}) cannot be used: ${error}`, {
    hint: 'Mend the file; `doe directives --check` lists what is wrong.',
  });

function notFound(all: Directive[], taskType: string, projectId: string): DispatcherError {
  if (all.some((directive) => directive.kind === 'reference' && directive.id === taskType)) {
    return new DispatcherError(
      'directive_is_reference',
      `${taskType} is a reference directive: it has no front matter, and no task can be made of it.`,
      { hint: 'Read it with read_directive; choose a directive with a task type.' },
    );
  }
  const types = [
    ...new Set(all.flatMap((directive) => (directive.kind === 'task' ? [directive.frontMatter.taskType] : []))),
  ];
  const projects = all.flatMap((directive) =>
    directive.kind === 'task' && directive.frontMatter.taskType === taskType ? [directive.frontMatter.projectId] : [],
  );
  if (projects.length > 0) {
    return new DispatcherError(
      'directive_not_found',
      `The task type ${taskType} has no directive for the project ${projectId}; it has one for ${projects.join(', ')}.`,
      { hint: 'Use one of these projects, or write a directive with `project_id: "*"`.' },
    );
  }
  const missing = `There is no directive for the task type ${taskType}.${orMeant(taskType, types)}`;
  return new DispatcherError('directive_not_found', missing, {
    hint: types.length === 0 ? 'Write one: `doe new directive <name>`.' : `Task types are ${types.join(', ')}.`,
  });
}
