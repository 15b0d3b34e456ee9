// What a script's process is given: this list and nothing else of ours.
import type { Config } from '../config.js';
import type { EffectivePolicy } from '../directives/policy.js';
import type { Task } from '../tasks/task.js';

const inherited = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR'] as const;

export interface RunFacts {
  config: Config;
  policy: EffectivePolicy;
  /** The directive's `env`: plain settings passed on as they are. */
  passedOn: string[];
  task: Task;
  runId: string;
  runKey: string;
  scriptUrl: string;
  /** Where Python keeps its bytecode. */
  bytecode: string;
  resultFile: string;
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
