// The house as its imports show it: layers import downward only, and each package has one home.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const src = fileURLToPath(new URL('../src', import.meta.url));

interface Import {
  /** The importing file, such as `queue/sqlite/tasks.ts`. */
  from: string;
  /** Another file of src in the same form, or the name of a package. */
  to: string;
  /** Erased when compiled. */
  typeOnly: boolean;
}

const statement = /^(?:import|export)\s+(type\s)?[^;]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm;

const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => /\.tsx?$/.test(path));

const imports: Import[] = files.flatMap((from) =>
  [...readFileSync(join(src, from), 'utf8').matchAll(statement)].map(([, type, named, bare, dynamic]) => {
    const target = named ?? bare ?? dynamic ?? '';
    return {
      from,
      to: target.startsWith('.') ? fileOf(from, target) : packageOf(target),
      typeOnly: type !== undefined,
    };
  }),
);

function fileOf(from: string, target: string): string {
  const path = relative(src, resolve(src, dirname(from), target)).replace(/\.js$/, '.ts');
  return files.includes(path) ? path : `${path}x`;
}

function packageOf(target: string): string {
  return target
    .split('/')
    .slice(0, target.startsWith('@') ? 2 : 1)
    .join('/');
}

const ours = imports.filter(({ to }) => files.includes(to));
const packages = imports.filter(({ to }) => !files.includes(to) && !to.startsWith('node:'));
const folderOf = (path: string): string => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path);

/** From the bottom up. The command line stands above the root: its commands start it. */
const layers: readonly (readonly string[])[] = [
  [
    'tasks',
    'address.ts',
    'errors.ts',
    'log.ts',
    'clock.ts',
    'config.ts',
    'map-text.ts',
    'once.ts',
    'redact.ts',
    'suggest.ts',
    'time-limit.ts',
    'version.ts',
    'exposure.ts',
    'home.ts',
    'home-secrets.ts',
    'unified-diff.ts',
    'whole-file.ts',
  ],
  ['queue', 'acks', 'directives', 'anneal', 'integrations', 'living.ts', 'presence.ts'],
  ['tools', 'automations', 'worker'],
  ['mcp', 'resources', 'http-bridge'],
  ['app.ts'],
  ['cli', 'index.ts'],
];
const layerOf = (path: string): number => layers.findIndex((layer) => layer.includes(folderOf(path)));

/** Doors by the folders that they consist of. */
const doorOf = (path: string): string | undefined =>
  ({ mcp: 'mcp', resources: 'mcp', 'http-bridge': 'http-bridge', cli: 'cli' })[folderOf(path)];

/** `doe mcp` is the process around the stdio door, which answers before the root is built. */
const doorExceptions = ['cli/mcp.ts → mcp/serve-stdio.ts'];

const shown = ({ from, to }: Import): string => `${from} → ${to}`;

describe('layers', () => {
  test('every file has its layer', () => {
    expect(files.filter((path) => layerOf(path) === -1)).toEqual([]);
  });

  test('files import downward or beside, never upward', () => {
    expect(ours.filter(({ from, to }) => layerOf(to) > layerOf(from)).map(shown)).toEqual([]);
  });

  test('a door never imports another door', () => {
    const crossing = ours.filter(({ from, to }) => doorOf(from) && doorOf(to) && doorOf(from) !== doorOf(to));
    expect(crossing.map(shown).filter((one) => !doorExceptions.includes(one))).toEqual([]);
  });

  test('the command line reaches the bridge over HTTP alone', () => {
    expect(ours.filter(({ from, to }) => doorOf(from) === 'cli' && to.startsWith('http-bridge/')).map(shown)).toEqual(
      [],
    );
  });

  test('only the root knows an adapter of the store', () => {
    const adapters = ours.filter(({ from, to }) => to.startsWith('queue/sqlite/') && !from.startsWith('queue/'));
    expect(adapters.map(shown)).toEqual([]);
  });

  test('no import that runs leads back to where it began', () => {
    expect(circles(ours.filter(({ typeOnly }) => !typeOnly))).toEqual([]);
  });

  test('among the modules of the MCP door not even types lead back', () => {
    expect(circles(ours.filter(({ from }) => doorOf(from) === 'mcp'))).toEqual([]);
  });
});

function circles(edges: Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: string[]) => {
    const seenAt = trail.indexOf(path);
    if (seenAt !== -1) found.push([...trail.slice(seenAt), path].join(' → '));
    if (seenAt !== -1 || done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of next.keys()) visit(path, []);
  return found;
}

/** Where a package may be imported; a path that ends with a slash is a folder. */
const homes: Record<string, readonly string[]> = {
  'better-sqlite3': ['queue/sqlite/'],
  pg: ['queue/postgres/'],
  jose: ['acks/'],
  execa: ['worker/run-script.ts'],
  '@modelcontextprotocol/server': ['mcp/', 'resources/'],
  '@modelcontextprotocol/server-legacy': ['mcp/serve-sse.ts'],
  hono: ['http-bridge/'],
  '@hono/node-server': ['http-bridge/'],
  'prom-client': ['http-bridge/metrics.ts'],
  commander: ['cli/'],
  dotenv: ['config.ts', 'home-secrets.ts'],
};

/** Functions over values, which tie nobody to anything. */
const everywhere = ['zod', 'nanoid', 'canonicalize', 'diff', 'fastest-levenshtein'];

describe('packages', () => {
  test.each(Object.entries(homes))('%s is imported in its home alone', (name, places) => {
    const strangers = packages.filter(
      ({ from, to }) =>
        to === name && !places.some((place) => (place.endsWith('/') ? from.startsWith(place) : from === place)),
    );
    expect(strangers.map(shown)).toEqual([]);
  });

  test('any other package is imported in one folder alone', () => {
    const others = packages.filter(({ to }) => !(to in homes) && !everywhere.includes(to));
    const folders = others.reduce(
      (map, one) => map.set(one.to, [...(map.get(one.to) ?? []), one]),
      new Map<string, Import[]>(),
    );
    const spread = [...folders].map(([name, found]) => [name, ...new Set(found.map(({ from }) => folderOf(from)))]);
    expect(spread.filter(({ length }) => length > 2)).toEqual([]);
  });

  test('every package that is imported is one that an installation brings', () => {
    const { dependencies } = JSON.parse(readFileSync(join(src, '../package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    const missing = packages.filter(({ to, typeOnly }) => !typeOnly && !(to in dependencies));
    expect(missing.map(shown)).toEqual([]);
  });
});

test('only the configuration reads the environment, and the command line where it must', () => {
  const readers = files.filter((path) => /process\.env\b/.test(readFileSync(join(src, path), 'utf8')));
  expect(readers.filter((path) => path !== 'config.ts' && path !== 'cli/environment.ts')).toEqual([]);
});

test('the imports are read: a parser that finds nothing would find no fault', () => {
  expect(ours.length).toBeGreaterThan(files.length);
  expect(packages.map(({ to }) => to)).toContain('better-sqlite3');
});
