// Task directives as skills (MCP's Skills extension, SEP-2640): skill://{name}/SKILL.md, made from the directive on disk,
// with the digest of what is served.
import { createHash } from 'node:crypto';
import type { McpServer } from '@modelcontextprotocol/server';
import { type Skill, SkillsExtension, skillEntry } from '@modelcontextprotocol/server/ext/skills';
import type { Directive, TaskDirective } from '../directives/index.js';
import { howToRun } from './how-to-run.js';
import type { ResourcesOptions } from './kind.js';

const file = 'SKILL.md';
const longestName = 64;
const longestDescription = 1024;

export const skillUri = (name: string): string => `skill://${name}/${file}`;

/** The task directives by their skill's name; two ids that come to one name are told apart by a hash of the id. */
export function skillNames(directives: Directive[]): Map<string, TaskDirective> {
  const tasks = directives.filter((directive) => directive.kind === 'task');
  const plain = new Set(tasks.map(({ id }) => id));
  const named = new Map<string, TaskDirective>();
  for (const directive of tasks) {
    const { id } = directive;
    const name = nameOf(id);
    const taken = name !== id && (plain.has(name) || named.has(name));
    named.set(taken ? `${name.slice(0, longestName - 9)}-${hash(id).slice(0, 8)}` : name, directive);
  }
  return named;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Agent Skills allow lower-case letters, digits and single hyphens, at most 64 characters. */
const nameOf = (id: string): string =>
  id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, longestName)
    .replace(/-$/, '');

function skillText(name: string, { id, sha256, frontMatter, body }: TaskDirective): string {
  const { title, version, taskType, payload } = frontMatter;
  const description = `${title}. A written procedure; its script runs as a task once a person has acknowledged it. Use it when this job is asked for.`;
  return [
    '---',
    `name: ${name}`,
    `description: ${JSON.stringify([...description].slice(0, longestDescription).join(''))}`,
    'metadata:',
    `  directive: ${JSON.stringify(id)}`,
    `  version: "${version}"`,
    `  revision: "sha256:${sha256}"`,
    '---',
    body.trim(),
    '',
    '## How it is run',
    '',
    howToRun({ taskType, payloadSchema: payload }),
    '',
  ].join('\n');
}

export function addSkills(server: McpServer, { backend, clean }: ResourcesOptions): void {
  const texts = async () => {
    const dispatcher = await backend();
    const named = skillNames(await dispatcher.directives.list());
    return new Map([...named].map(([name, directive]) => [name, clean(dispatcher, skillText(name, directive))]));
  };
  const entry = (name: string, text: string): Promise<Skill> => skillEntry(name, { [file]: text });
  const find = async (uri: string) => [...(await texts())].find(([name]) => skillUri(name) === uri);
  new SkillsExtension({
    source: {
      list: async () => ({ skills: await Promise.all([...(await texts())].map(([name, text]) => entry(name, text))) }),
      get: async (uri) => {
        const found = await find(uri);
        return found && entry(...found);
      },
      read: async (uri) => {
        const found = await find(uri);
        return found && { text: found[1], mimeType: 'text/markdown' };
      },
    },
  }).attach(server);
}
