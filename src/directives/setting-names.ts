// Which settings a directive may name under `secrets` and `env`. The filters are wide on purpose: a plain setting that is refused
// can be had with trust, while a credential that slips through is handed to a script that nobody trusted.
import { z } from 'zod';

const anyOf = (patterns: readonly string[]): RegExp => new RegExp(patterns.join('|'), 'i');

/** The dispatcher's own, what a script is started with, and what a loader, an interpreter or a tool takes code or its options from. */
const neverGiven = anyOf([
  '^(MCP_|DOE_|PATH$|HOME$)',
  '^(LD_|DYLD_|GCONV_|GLIBC_|LOCPATH$|NLSPATH$|OPENSSL_(CONF|MODULES|ENGINES)$)',
  '^(ENV|IFS|PS[0-9]|CDPATH|FPATH|ZDOTDIR|PROMPT_COMMAND|SHELL|SHELLOPTS|BASHOPTS|BASH_.*)$',
  '^(PYTHON|PERL5|PERL_|RUBY(OPT|LIB|PATH|SHELL)|LUA_(C?PATH|INIT)|PHPRC$|PHP_INI|R_(PROFILE|ENVIRON|LIBS)|GOFLAGS$|RUSTC_)',
  '^(NODE_(?!ENV$|AUTH_TOKEN$)|NPM_CONFIG_|COR_|CORECLR_|COMPLUS_|DOTNET_(STARTUP|ADDITIONAL|SHARED))',
  '^GIT_(SSH|EXEC|CONFIG|PROXY|EXTERNAL|PAGER|EDITOR|SEQUENCE|ASKPASS|TEMPLATE|DIR|WORK|ALLOW)',
  '^(EDITOR|VISUAL|PAGER|BROWSER|LESSOPEN|LESSCLOSE)$',
  'CLASSPATH|PRELOAD|(^|_)OPT(ION)?S$',
]);

const database = [
  '(^|_)(DB|PG)(?=_|[0-9]|UR[IL]|DSN|ADDR|CONN)',
  'DATABASE|SQL|POSTGRES|PGBOUNCER|MARIA|MONGO|COUCH|REDIS|VALKEY|MEMCACHE|INFLUX|NEO4J|CASSANDRA|COCKROACH|CLICKHOUSE',
  'ELASTICSEARCH|OPENSEARCH|ORACLE|JDBC|ODBC|AMQP|RABBIT|KAFKA',
].join('|');

const databaseAddress = anyOf([`(${database}).*(UR[IL]S?|DSN|ADDR(ESS)?|CONN(ECTION)?_?(STR|STRING)?)(_|[0-9]|$)`]);

/** A name that says of itself that its value is a credential, or where a database is. */
const notPlain = anyOf([
  'PASS|PWD|TOKEN|KEY|SECRET|CRED|AUTH(?!ORS?(_|$))|DSN|COOKIE|PRIVATE|SESSION|JWT|BEARER|SIGN(ATURE|ING)|MNEMONIC|HOOK',
  '(^|_)(PW|PAT|PIN|OTP|SAS|PSK|SALT|PEM)$',
  'CONN(ECTION)?_?STR|^PG[A-Z]+$',
  `(${database}).*HOST`,
]);

export const settingName = z
  .string()
  // What is longer is not looked through any further.
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'must be the name of a setting', abort: true })
  .refine(
    (name) => !neverGiven.test(name) && !databaseAddress.test(name),
    'is a name that no script may be given, under `secrets` neither: MCP_*, DOE_*, the address of a database, or what a loader takes code or options from',
  );

export const plainSettingName = settingName.refine(
  (name) => !notPlain.test(name),
  'is by its name a credential, or leads to a database: list it under `secrets`, where trust and redaction hold',
);
