// Whether the pages tell all that there is, and nothing that is not: settings, commands, front matter, errors, routes, links.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { settingNames } from '../../src/config.js';
import { frontMatterSchema } from '../../src/directives/front-matter.js';
import { errorCodes, exitCode, httpStatus, tokenErrorCodes } from '../../src/errors.js';
import { openApiDocument } from '../../src/http-bridge/openapi.js';
import { type RunFacts, scriptEnvironment } from '../../src/worker/environment.js';
import { createTestApp, operatorKey } from '../helpers/test-app.js';
import { connect } from '../mcp/clients.js';
import { commandNames, optionNames, wordsOf } from './doe-words.js';
import { codesIn, page, pages, root, tableUnder } from './pages.js';

const sorted = (words: Iterable<string>): string[] => [...new Set(words)].sort();
const firstCodes = (rows: string[][]): string[] => rows.flatMap(([first = '']) => codesIn(first));

test('the settings are those that there are, in the table of deployment and in the lines of integrations', () => {
  const inTable = firstCodes(tableUnder(page('deployment'), 'Settings'));
  const ofServices = page('integrations')
    .text.split(/\n\n/)
    .filter((part) => /^Settings?:/.test(part))
    .flatMap(codesIn)
    .filter((code) => /^[A-Z][A-Z0-9_]+$/.test(code));
  expect(sorted([...inTable, ...ofServices])).toEqual(sorted(settingNames));
});

/** What a script is handed where everything that may be there is. */
const ofScripts = (): string[] => {
  const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'];
  const config = { home: '/', variables: Object.fromEntries(inherited.map((name) => [name, 'x'])) };
  const facts = { config, policy: { secrets: [] }, passedOn: [], task: { attempts: 1, traceparent: 'x' } };
  return Object.keys(scriptEnvironment(facts as unknown as RunFacts));
};

test('the environment of a script stands in its table, with nothing else', () => {
  const shown = firstCodes(tableUnder(page('writing-scripts'), 'Environment')).flatMap((code) => code.split(' '));
  expect(sorted(shown)).toEqual(sorted([...ofScripts(), 'secrets', 'env']));
});

test('a setting or variable of ours that a page names is one that there is', () => {
  const named = pages.flatMap(({ text }) => text.match(/\b(DOE|MCP)_[A-Z_]*[A-Z]\b/g) ?? []);
  // The reader's own variable in a client's configuration.
  const known = [...settingNames, ...ofScripts(), 'DOE_KEY'];
  expect(sorted(named).filter((name) => !known.includes(name))).toEqual([]);
});

test('every command stands in the table of the command line with every option', () => {
  const shown = Object.fromEntries(
    tableUnder(page('command-line'), 'Commands').map(([usage = '', , options = '']) => {
      const words = wordsOf(codesIn(usage)[0] ?? '').slice(1);
      const name = words.filter((word) => /^[a-z-]+$/.test(word)).join(' ');
      return [name, sorted(codesIn(options).map((option) => option.split(' ')[0] ?? ''))];
    }),
  );
  const real = Object.fromEntries(commandNames().map((name) => [name, sorted(optionNames(name))]));
  expect(shown).toEqual(real);
});

test('every key of the front matter stands in its table, with no other', () => {
  const shown = firstCodes(tableUnder(page('writing-directives'), 'Front matter'));
  expect(sorted(shown)).toEqual(sorted([...Object.keys(frontMatterSchema.shape), 'x-…']));
});

test('the defaults in the table of the front matter are the real ones', () => {
  const defaults = frontMatterSchema.parse({}) as Record<string, unknown>;
  const shown = tableUnder(page('writing-directives'), 'Front matter').flatMap(([key = '', value = '']) =>
    codesIn(key).map((name) => [name, codesIn(value)[0]] as const),
  );
  const plain = ['project_id', 'version', 'require_ack', 'ack', 'auto_anneal', 'concurrency', 'questions', 'includes'];
  const lists = ['secrets', 'integrations', 'env'];
  for (const name of [...plain, ...lists]) {
    const text = shown.find(([key]) => key === name)?.[1] ?? '';
    const value: unknown = /^[["\d]|^(true|false)$/.test(text) ? JSON.parse(text) : text;
    expect([name, value]).toEqual([name, defaults[name]]);
  }
});

test('every error code stands in the tables with its status and exit code', () => {
  const [errors = '', tokens = ''] = page('api').text.split('A token that does not hold');
  const rows = (part: string) =>
    [...part.matchAll(/^\| `([a-z_]+)` \|(.*)$/gm)].map(([, code = '', rest = '']) => [code, rest] as const);
  const shown = rows(errors.slice(errors.indexOf('## Errors'))).map(([code, rest]) => {
    const [status, exit] = rest.split('|').map((cell) => Number(cell));
    return [code, status, exit];
  });
  const real = errorCodes.filter((code) => !(tokenErrorCodes as readonly string[]).includes(code));
  expect(shown.sort()).toEqual(real.map((code) => [code, httpStatus(code), exitCode(code)]).sort());
  expect(rows(tokens).map(([code]) => code)).toEqual([...tokenErrorCodes]);
});

const realRoutes = (): string[] => {
  const { paths } = openApiDocument('0') as { paths: Record<string, object> };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
  );
};

test('every route stands in the table of routes, with no other', () => {
  expect(sorted(firstCodes(tableUnder(page('api'), 'All routes')))).toEqual(sorted(realRoutes()));
});

test('every route has a call that is run, but for the one that only scripts may call', () => {
  const calls = page('api')
    .blocks.filter(({ language }) => language === 'sh')
    .flatMap(({ text }) => text.replace(/\\\n/g, ' ').split('\n'))
    .flatMap((line) => {
      const [, path = ''] = /"\$MCP_URL([^"?]*)/.exec(line) ?? [];
      return path === '' ? [] : [`${/ -d | POST /.test(line) ? 'POST' : 'GET'} ${path}`];
    });
  const missing = realRoutes().filter((route) => {
    const pattern = new RegExp(`^${route.replace(/:\w+/g, '[^/]+')}$`);
    return !calls.some((call) => pattern.test(call));
  });
  expect(missing).toEqual(['POST /integrations/:name/:action']);
});

test('a route that a page names between backticks is one that there is', () => {
  const named = pages.flatMap(({ inline }) => inline.filter((code) => /^(GET|POST) \//.test(code)));
  const known = realRoutes().map((route) => new RegExp(`^${route.replace(/:\w+/g, '[^/]+')}$`));
  expect(named.filter((code) => !known.some((route) => route.test(code.replace(/\?.*/, ''))))).toEqual([]);
});

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): string[] =>
  [...text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test('every link between the pages leads somewhere', () => {
  const links = pages.flatMap(({ file, text }) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({ file, target })),
  );
  const inside = links.filter(({ target }) => !/^[a-z]+:/.test(target));
  expect(inside.length).toBeGreaterThan(15);
  for (const { file, target } of inside) {
    const [path = '', anchor] = target.split('#');
    const to = path === '' ? join(root, file) : join(root, dirname(file), path);
    expect([file, target, existsSync(to)]).toEqual([file, target, true]);
    if (anchor !== undefined) expect(anchorsOf(readFileSync(to, 'utf8')), `${file}: ${target}`).toContain(anchor);
  }
});

test('the tools, resources and prompts are those that a client is offered', async () => {
  const app = await createTestApp({ noWorker: true });
  const key = operatorKey.slice(operatorKey.indexOf(':') + 1);
  const { raw, close } = await connect('2.x legacy', { kind: 'http', url: `${app.address}/mcp`, key });
  const shown = (heading: string) => sorted(firstCodes(tableUnder(page('mcp'), heading)));
  const { tools } = (await raw.listTools()) as { tools: { name: string }[] };
  expect(shown('Tools')).toEqual(sorted(tools.map(({ name }) => name)));
  const { resourceTemplates } = (await raw.listResourceTemplates()) as { resourceTemplates: { uriTemplate: string }[] };
  const addresses = resourceTemplates.map(({ uriTemplate }) => uriTemplate);
  expect(shown('Resources')).toEqual(sorted(addresses.filter((address) => !address.startsWith('skill:'))));
  const { prompts } = (await raw.listPrompts()) as { prompts: { name: string }[] };
  expect(shown('Prompts')).toEqual(sorted(prompts.map(({ name }) => name)));
  await close();
});

test('every address of the page that is named is there', async () => {
  const app = await createTestApp({ noWorker: true });
  const paths = sorted(pages.flatMap(({ inline }) => inline.filter((code) => /^\/ui[a-z/-]*$/.test(code))));
  expect(paths.length).toBeGreaterThan(7);
  for (const path of paths) expect([path, (await app.request(path)).status]).toEqual([path, 200]);
});
