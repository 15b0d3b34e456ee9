import { expect, test } from 'vitest';
import { frontMatterJsonSchema, parseFrontMatter } from '../../src/directives/front-matter.js';
import { parseRevision } from '../../src/directives/revision.js';

const parse = (yaml: string) => parseFrontMatter(yaml, { id: 'import-site', firstHeading: 'Import a site' });
const errorOf = (yaml: string): string => {
  const parsed = parse(yaml);
  return parsed.ok ? '' : parsed.error;
};

test('every key has the default that the contract names', () => {
  expect(parse('{}')).toEqual({
    ok: true,
    frontMatter: {
      id: 'import-site',
      taskType: 'import-site',
      projectId: '*',
      title: 'Import a site',
      version: 1,
      owner: null,
      script: null,
      fixScript: null,
      requireAck: true,
      ack: 'client',
      ackTtlMs: 900_000,
      approvers: [],
      quorum: 1,
      questions: [],
      autoAnneal: true,
      includes: ['**/*'],
      retry: { count: 0, backoffMs: 5000, onInterrupt: false },
      timeoutMs: 300_000,
      concurrency: 0,
      payload: null,
      secrets: [],
      integrations: [],
      env: [],
      sandbox: null,
    },
  });
});

test.each(['', ' \n', '# all defaults', '# one\n\n# two\n'])('front matter of %j is all defaults', (yaml) => {
  expect(parse(yaml)).toEqual(parse('{}'));
});

test.each(['Mixed Case', 'größe', '-x', 'a'.repeat(101)])(
  'the file’s name %j is no task type: it is refused, unless one is given',
  (id) => {
    const read = (yaml: string) => parseFrontMatter(yaml, { id, firstHeading: null });
    expect(read('title: T')).toEqual({
      ok: false,
      error: expect.stringMatching(/^task_type: the file's name .* give/),
    });
    expect(read('id: fits')).toMatchObject({ ok: true, frontMatter: { id: 'fits', taskType: 'fits' } });
    expect(read('task_type: fits')).toMatchObject({ ok: true, frontMatter: { id, taskType: 'fits' } });
  },
);

test('every key is read', () => {
  const parsed = parse(`
id: a
task_type: b
project_id: p
title: T
version: 3
owner: jen
script: s.py
fix_script: f.py
require_ack: false
ack: operator
ack_ttl: 90s
questions: [Really?]
auto_anneal: false
includes: ["lib/**"]
retry: { count: 2, backoff_ms: 10, on_interrupt: true }
timeout: 2h
concurrency: 4
payload: { type: object }
secrets: [NETLIFY_AUTH_TOKEN]
integrations: [netlify]
env: [HTTPS_PROXY]
sandbox: { type: bwrap, write: [out], network: true }
x-note: mine
`);
  expect(parsed).toMatchObject({
    ok: true,
    frontMatter: {
      id: 'a',
      taskType: 'b',
      requireAck: false,
      ack: 'operator',
      ackTtlMs: 90_000,
      retry: { count: 2, backoffMs: 10, onInterrupt: true },
      timeoutMs: 7_200_000,
      concurrency: 4,
      sandbox: { write: ['out'], network: true },
    },
  });
});

test('the short form of a sandbox writes nowhere and has no network', () => {
  expect(parse('sandbox: bwrap')).toMatchObject({ frontMatter: { sandbox: { write: [], network: false } } });
});

test.each([
  ['retry: { count: -1 }', 'retry.count'],
  ['retry: { tries: 3 }', 'tries'],
  ['timeout: soon', 'timeout'],
  ['timeout: 0s', 'timeout'],
  ['ack_ttl: 16m', 'ack_ttl'],
  ['ack: everybody', 'ack'],
  ['script: ../outside.py', 'script'],
  ['script: /bin/sh', 'script'],
  ['includes: ["../**"]', 'includes.0'],
  ['questions: [1]', 'questions.0'],
  ['version: one', 'version'],
  ['payload: { type: array }', 'payload'],
  ['payload: { type: object, properties: { a: { type: nothing } } }', 'payload'],
  ['payload: { typo: object }', 'payload'],
  ['sandbox: docker', 'sandbox'],
  ['sandbox: { type: bwrap, write: [../x] }', 'sandbox'],
  ['sandbox: { type: bwrap, write: [directives] }', 'sandbox'],
  ['sandbox: { type: bwrap, write: [Execution/x] }', 'sandbox'],
  ['sandbox: { type: bwrap, write: [out/.git] }', 'sandbox'],
  ['sandbox: { type: bwrap, write: [DB.sqlite] }', 'sandbox'],
])('%s is refused by its path', (yaml, path) => {
  expect(errorOf(yaml)).toContain(path);
});

/** As a form shows it: the name of a script, then lines that look like the form's own. */
const forgedLines = 'tidy.sh (3f2a91c07b55)\nPayload {"site":"staging"}\nz.sh';

test.each(['id', 'task_type', 'project_id', 'owner', 'script', 'fix_script'])(
  'lines forged through %s are refused, and so is what is unseen or turns text in it',
  (key) => {
    for (const value of [
      forgedLines,
      'a\rb',
      'a\u0085b',
      'a\u2028b',
      'a\u202eb',
      'a\u200bb',
      'a\u001b[2Jb',
      'a\u0000b',
    ])
      expect(errorOf(JSON.stringify({ [key]: value })), JSON.stringify(value)).toContain(`${key}:`);
  },
);

test.each([
  ['includes', [forgedLines]],
  ['approvers', [forgedLines]],
  ['integrations', [forgedLines]],
  ['secrets', [forgedLines]],
  ['env', [forgedLines]],
  ['sandbox', { type: 'bwrap', write: [forgedLines] }],
])('lines forged through %s are refused', (key, value) => {
  expect(errorOf(JSON.stringify({ [key]: value }))).toContain(key);
});

test('a title may hide nothing either; the joiners of Persian and of emoji are letters', () => {
  expect(errorOf(JSON.stringify({ title: 'Deploy\u202e' }))).toContain('title:');
  expect(errorOf(JSON.stringify({ title: 'Deploy\u001b[2J' }))).toContain('title:');
  expect(errorOf(JSON.stringify({ title: 'می\u200cخواهم 👩\u200d💻' }))).toBe('');
});

test('lines forged through the name of the directive’s own file are refused, where it stands in for the id', () => {
  const parsed = (yaml: string) => parseFrontMatter(yaml, { id: forgedLines, firstHeading: null });
  expect(parsed('{}')).toMatchObject({ ok: false, error: expect.stringContaining("id: its default, the file's name") });
  expect(parsed('id: tidy')).toMatchObject({ ok: true, frontMatter: { id: 'tidy', taskType: 'tidy' } });
});

test('an unknown key is named, and what is allowed', () => {
  expect(errorOf('retires: 3')).toMatch(/unknown key retires \(allowed are id, task_type/);
});

test('all faults are told at once', () => {
  const error = errorOf('ack: nobody\ntimeout: soon\nfoo: 1');
  for (const part of ['ack:', 'timeout:', 'foo']) expect(error).toContain(part);
});

test.each([['a: ['], ['a: 1\na: 2'], ['a: !!js/function x'], ['- a'], ['just text']])(
  'YAML that is not a plain mapping is refused: %s',
  (yaml) => {
    expect(errorOf(yaml)).toMatch(/front matter/i);
  },
);

test('an alias bomb is refused rather than unfolded', () => {
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1]',
    ...'bcdefgh'.split('').map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefgh'[index]}`).join()}]`),
  ].join('\n');
  expect(errorOf(bomb)).toMatch(/front matter/i);
});

const loaders =
  'LD_PRELOAD DYLD_INSERT_LIBRARIES NODE_OPTIONS NODE_EXTRA_CA_CERTS NODE_REPL_EXTERNAL_MODULE PYTHONPATH PYTHONSTARTUP PERL5LIB RUBYOPT LUA_PATH JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS MAVEN_OPTS CLASSPATH BASH_ENV PROMPT_COMMAND GIT_SSH_COMMAND GIT_CONFIG_COUNT npm_config_script_shell DOTNET_STARTUP_HOOKS PATH';
const databases =
  'DATABASE_URL DATABASE_URI DB_URL DBURL POSTGRES_URL_NON_POOLING POSTGRESQL_URL MYSQL_URL MONGODB_URI MONGO_URL REDIS_URL REDIS_TLS_URL AMQP_URL CLOUDAMQP_URL JDBC_URL SQLALCHEMY_DATABASE_URI SUPABASE_DB_URL PG_CONNECTION_STRING MYAPP_DB_DSN';

test.each(`MCP_SECRET MCP_URL DOE_DATABASE_URL DOE_HOME ${loaders} ${databases}`.split(' '))(
  'neither secrets nor env may name %s',
  (name) => {
    expect(errorOf(`secrets: [${name}]`)).toContain('secrets.0');
    expect(errorOf(`env: [${name}]`)).toContain('env.0');
  },
);

const credentials =
  'NETLIFY_AUTH_TOKEN AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN DB_PASSWORD DB_PASS SMTP_PASS MYSQL_PWD PGPASS PGPASSWORD REDIS_PW GITHUB_PAT SENTRY_DSN SESSION_COOKIE PRIVATE_PEM GOOGLE_APPLICATION_CREDENTIALS AZURE_STORAGE_CONNECTION_STRING NODE_AUTH_TOKEN N8N_WEBHOOK_URL N8N_WEBHOOK_AUTH PROXY_AUTHORIZATION SSH_KEY apikey';

test.each(credentials.split(' '))(
  'a directive that nobody trusted gets no %s as a plain setting; under secrets it may be named',
  (name) => {
    expect(errorOf(`env: [${name}]`)).toContain('list it under `secrets`');
    expect(errorOf(`secrets: [${name}]`)).toBe('');
  },
);

test.each('PGHOST DB_HOST REDIS_HOST'.split(' '))('where a database is, %s, is no plain setting', (name) => {
  expect(errorOf(`env: [${name}]`)).toContain('leads to a database');
});

test('plain settings stay plain', () => {
  const names =
    'HTTPS_PROXY https_proxy NO_PROXY NODE_ENV AWS_REGION SMTP_HOST SMTP_PORT SITE_URL N8N_API_URL GIT_AUTHOR_NAME SSL_CERT_FILE LOG_LEVEL CI LANGUAGE AIRTABLE_BASE_ID';
  expect(errorOf(`env: [${names.split(' ').join(', ')}]`)).toBe('');
});

test('editors get a JSON Schema with every key', () => {
  const schema = frontMatterJsonSchema() as { properties: Record<string, unknown>; additionalProperties: boolean };
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['task_type', 'payload', 'sandbox']));
  expect(schema.additionalProperties).toBe(false);
});

test.each([
  ['approvers: [jo, tom]', { ack: 'passkey', approvers: ['jo', 'tom'], quorum: 1 }],
  ['quorum: 2', { ack: 'passkey', approvers: [], quorum: 2 }],
  ['{ ack: client, approvers: [jo, tom], quorum: 2 }', { ack: 'passkey', approvers: ['jo', 'tom'], quorum: 2 }],
])('%s asks for passkeys', (yaml, wanted) => {
  expect(parse(yaml)).toMatchObject({ ok: true, frontMatter: wanted });
});

test.each([
  ['{ require_ack: false, quorum: 2 }', 'contradicts'],
  ['{ approvers: [jo], quorum: 2 }', 'can never be reached'],
  ['{ approvers: [jo, jo], quorum: 2 }', 'can never be reached'],
  ['quorum: 0', 'quorum'],
])('%s is refused', (yaml, why) => {
  expect(parse(yaml)).toMatchObject({ ok: false, error: expect.stringContaining(why) });
});

test('a heading of spaces is read at once', () => {
  const bytes = Buffer.from(`---\nversion: 1\n---\n# x${' '.repeat(500_000)}y\n`);
  expect(parseRevision({ id: 'slow', file: 'directives/slow.md', bytes, modifiedAt: 0 }).title).toMatch(/^x/);
});

test.each([
  ['# Plain', 'Plain'],
  ['# Closed ##', 'Closed'],
  ['# C#', 'C#'],
  ['#hashtag', 'slow'],
  ['#   ', 'slow'],
  ['## Second\n# First  ', 'First'],
])('the heading of %j is %j', (body, title) => {
  const bytes = Buffer.from(`---\nversion: 1\n---\n${body}\n`);
  expect(parseRevision({ id: 'slow', file: 'directives/slow.md', bytes, modifiedAt: 0 }).title).toBe(title);
});

test('a title is one line, whatever was written', () => {
  const parsed = parse(JSON.stringify({ title: 'Deploy\nPayload {}\tRuns nothing' }));
  expect(parsed).toMatchObject({ ok: true, frontMatter: { title: 'Deploy Payload {} Runs nothing' } });
});
