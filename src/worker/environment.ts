// What a script's process is given: this list and nothing else of ours.
import type { Config } from '../config.js';
import type { EffectivePolicy } from '../directives/policy.js';
import type { Task } from '../tasks/task.js';

const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;

export interface RunFacts {
  config: Config;
  policy: EffectivePolicy;
  /** Of the directive's `env`, what is passed on. */
  passedOn: readonly string[];
  task: Task;
  runId: string;
  runKey: string;
  scriptUrl: string;
  /** Where Python keeps its bytecode. */
  bytecode: string;
  resultFile: string;
}

/** By their schemes; `jdbc:` and a driver (`postgresql+psycopg2:`) may stand around it. */
const databaseAddress =
  /^\s*(jdbc:)?(postgres(ql)?|pgsql|mysqlx?|mariadb|mongodb|rediss?|valkeys?|amqps?|mssql|sqlserver|oracle|sqlite|cockroachdb|clickhouse|cassandra|neo4j|bolt|couchbases?|memcached?|influxdb|libsql|db2|snowflake)(\+[a-z0-9+.-]+)?:/i;

/**
 * The directive's `env` in two: needing no trust, it may name plain settings alone, and what holds the address of a database
 * is none, whatever its name.
 */
export function plainSettings(
  { variables }: Config,
  names: readonly string[],
): { passedOn: string[]; withheld: string[] } {
  const isPlain = (name: string) => !databaseAddress.test(variables[name] ?? '');
  return { passedOn: names.filter(isPlain), withheld: names.filter((name) => !isPlain(name)) };
}

export function scriptEnvironment({
  config,
  policy,
  passedOn,
  task,
  runId,
  runKey,
  scriptUrl,
  bytecode,
  resultFile,
}: RunFacts): Record<string, string> {
  const { variables } = config;
  const some = (names: readonly string[]) =>
    Object.fromEntries(names.flatMap((name) => (variables[name] === undefined ? [] : [[name, variables[name]]])));
  return {
    ...some(passedOn),
    ...some(policy.secrets),
    ...some(inherited),
    MCP_URL: scriptUrl,
    DOE_HOME: config.home,
    DOE_TASK_ID: task.id,
    DOE_RUN_ID: runId,
    DOE_ATTEMPT: String(task.attempts),
    DOE_PROJECT_ID: task.projectId,
    DOE_TASK_TYPE: task.taskType,
    DOE_RESULT_FILE: resultFile,
    DOE_RUN_KEY: runKey,
    PYTHONPYCACHEPREFIX: bytecode,
    PYTHONNOUSERSITE: '1',
    ...(task.traceparent === null ? {} : { TRACEPARENT: task.traceparent }),
  };
}
