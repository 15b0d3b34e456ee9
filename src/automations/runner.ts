// Runs automations: the built-in ones here, a home's own in a process each and only for the exact text that was trusted.
// Every run is audited with its name and outcome; parameters are not, since they may hold anything.
import { z } from 'zod';
import type { Config } from '../config.js';
import { assertPayloadSchema } from '../directives/payload-schema.js';
import type { Integrations } from '../integrations/index.js';
import type { Log } from '../log.js';
import { mapText } from '../map-text.js';
import type { Store } from '../queue/store.js';
import type { Redactor } from '../redact.js';
import type { JsonObject, JsonValue } from '../tasks/outcome.js';
import { type Caller, newRunId } from '../tasks/task.js';
import { type AnyAutomation, builtins } from './builtin/index.js';
import { type ChildOptions, runInChild } from './child.js';
import type { AutomationContext } from './definition.js';
import { type HomeModule, homeModuleNames, isUnreadable, modulePath, readHomeModule, readHomeModules } from './home.js';
import type { AutomationInfo, AutomationRunner } from './index.js';
import { createLimits } from './limits.js';
import { broken, checkParams, invalidParams, notFound, notNow, publicFailure, untrusted } from './refusals.js';

export interface RunnerOptions {
  config: Config;
  store: Store;
  integrations: Integrations;
  log: Log;
  redact: Redactor;
  /** How long a run may take. */
  limitMs?: number;
}

interface Described {
  description: string;
  params: JsonObject;
  canPlan: boolean;
}

/** As the module's process tells it; only its `params` are the author's own. */
const description = z.object({
  description: z.string(),
  params: z.record(z.string(), z.json()).nullable(),
  canPlan: z.boolean(),
});

const askAgainMs = 60_000;

const noParams: JsonObject = { type: 'object', properties: {}, additionalProperties: false };

export function createAutomations({
  config,
  store,
  integrations,
  log,
  redact,
  limitMs = 30_000,
}: RunnerOptions): AutomationRunner {
  const { home } = config;
  const limits = createLimits(limitMs);
  /** What a trusted text says of itself, by its sha256; a text says the same each time. */
  const described = new Map<string, Promise<Described>>();

  const childOptions = (name: string, signal: AbortSignal): Omit<ChildOptions, 'integration'> => ({
    variables: config.variables,
    signal,
    redact,
    onOutput: (text) => log.debug('automation.output', { automation: name, text }),
  });

  const isTrusted = ({ name, sha256 }: HomeModule) =>
    store.people.isTrusted({ kind: 'automation', id: name, sha256, scriptSha256: null });

  const describe = (module: HomeModule): Promise<Described> => {
    const known = described.get(module.sha256);
    if (known !== undefined) return known;
    const fresh = askModule(module);
    described.set(module.sha256, fresh);
    // A module that could not be read is asked again later: it may have been the machine. At once, each list would wait for it.
    fresh.catch(() => setTimeout(() => described.delete(module.sha256), askAgainMs).unref());
    return fresh;
  };

  const askModule = async ({ name, text }: HomeModule): Promise<Described> => {
    const answer = await limits.run(name, undefined, (signal) =>
      runInChild(
        { task: 'describe', name, text, params: {}, home },
        { ...childOptions(name, signal), integration: () => Promise.reject(notNow('while it is loaded')) },
      ),
    );
    const told = description.safeParse(answer);
    if (!told.success) throw broken(name, 'its `params` is no JSON Schema');
    const params = told.data.params ?? noParams;
    const fault = assertPayloadSchema(params);
    if (fault !== null) throw broken(name, `of its \`params\`: ${fault}`);
    return { ...told.data, params };
  };

  const runBuiltin = async (automation: AnyAutomation, call: Call): Promise<JsonValue> => {
    const parsed = automation.params.strict().safeParse(call.params);
    if (!parsed.success) throw invalidParams(call.name, parsed.error);
    if (call.dryRun && automation.plan === undefined) return echo(call);
    const act = call.dryRun && automation.plan !== undefined ? automation.plan : automation.run;
    return limits.run(call.name, call.signal, (signal) => {
      const context: AutomationContext = {
        home,
        signal,
        integration: (name, action, input) =>
          integrations.call(name, action, input, { home, signal, idempotencyKey: newRunId() }),
      };
      return act(parsed.data, context);
    });
  };

  const runHomeModule = async (module: HomeModule, call: Call): Promise<JsonValue> => {
    const { name, text } = module;
    if (!(await isTrusted(module))) throw untrusted(name);
    const { params: schema, canPlan } = await describe(module);
    checkParams(name, schema, call.params);
    if (call.dryRun && !canPlan) return echo(call);
    const runId = newRunId();
    return limits.run(name, call.signal, (signal) =>
      runInChild(
        { task: call.dryRun ? 'plan' : 'run', name, text, params: call.params, home },
        {
          ...childOptions(name, signal),
          integration: ({ id, name: service, action, input }) =>
            call.dryRun
              ? Promise.reject(notNow('in a dry run'))
              : integrations.call(service, action, input, { home, signal, idempotencyKey: `${runId}:${id}` }),
        },
      ),
    );
  };

  const audit = (call: Call, outcome: JsonObject) =>
    store.ledger.record(
      {
        taskId: null,
        type: 'automation_run',
        assurance: null,
        data: { name: call.name, dry_run: call.dryRun, ...outcome },
      },
      {
        actorId: call.caller.person ?? call.caller.principal,
        principal: call.caller.principal,
        channel: call.caller.channel,
        keyId: call.caller.keyId,
      },
    );

  const audited = async (call: Call, facts: JsonObject, work: () => Promise<JsonValue>): Promise<JsonValue> => {
    const begun = performance.now();
    const took = () => ({ ...facts, duration_ms: Math.round(performance.now() - begun) });
    let result: JsonValue;
    try {
      result = mapText(await work(), redact);
    } catch (error) {
      const failure = publicFailure(call.name, error, redact);
      await audit(call, { ...took(), ok: false, code: failure.code });
      log.info('automation.failed', { automation: call.name, dry_run: call.dryRun, code: failure.code });
      throw failure;
    }
    await audit(call, { ...took(), ok: true, ...wroteOf(result) });
    log.info('automation.done', { automation: call.name, dry_run: call.dryRun });
    return result;
  };

  const info = async (name: string): Promise<AutomationInfo | null> => {
    const about = { name, description: '', params: null, source: 'home', trusted: false, canPlan: false } as const;
    const module = await readHomeModule(home, name);
    if (module === null) return null;
    if (builtins.has(name)) return { ...about, error: 'A built-in automation has this name; give the file another.' };
    if (isUnreadable(module)) return { ...about, error: `${modulePath(name)} cannot be read: ${module.error}.` };
    if (!(await isTrusted(module)))
      return { ...about, description: `Not loaded: an operator has not trusted it (doe trust ${name}).`, error: null };
    try {
      return { ...about, trusted: true, ...(await describe(module)), error: null };
    } catch (error) {
      return { ...about, trusted: true, error: publicFailure(name, error, redact).message };
    }
  };

  return {
    async list() {
      const own: AutomationInfo[] = [];
      // One after the other: each that is new starts a process.
      for (const name of await homeModuleNames(home)) {
        const found = await info(name);
        if (found !== null) own.push(found);
      }
      return [...builtinInfos(), ...own];
    },
    async sources() {
      const modules = await readHomeModules(home);
      return modules
        .filter((module): module is HomeModule => !isUnreadable(module) && !builtins.has(module.name))
        .map((module) => ({ ...module, source: 'home' as const }));
    },
    async run(name, params, { dryRun, caller, signal }) {
      const call: Call = { name, params, dryRun, caller, signal };
      const builtin = builtins.get(name);
      if (builtin !== undefined) return audited(call, { source: 'builtin' }, () => runBuiltin(builtin, call));
      const module = await readHomeModule(home, name);
      if (module === null) throw notFound(name, [...builtins.keys(), ...(await homeModuleNames(home))]);
      if (isUnreadable(module)) throw broken(name, module.error);
      return audited(call, { source: 'home', sha256: module.sha256 }, () => runHomeModule(module, call));
    },
    close: limits.close,
  };
}

interface Call {
  name: string;
  params: JsonObject;
  dryRun: boolean;
  caller: Caller;
  signal: AbortSignal | undefined;
}

const echo = ({ name, params }: Call): JsonObject => ({ dry_run: true, automation: name, params });

let knownBuiltins: AutomationInfo[] | undefined;

/** Made by the first list: their schemas take longer than all else of one. */
const builtinInfos = (): AutomationInfo[] =>
  (knownBuiltins ??= [...builtins].map(([name, automation]) => ({
    name,
    description: automation.description,
    params: z.toJSONSchema(automation.params.strict(), { io: 'input' }) as JsonObject,
    source: 'builtin',
    trusted: true,
    canPlan: automation.plan !== undefined,
    error: null,
  })));

const mostWritten = 100;

/** The paths that a run says it wrote, for the audit trail. */
function wroteOf(result: JsonValue): JsonObject {
  const wrote = result !== null && typeof result === 'object' && !Array.isArray(result) ? result.wrote : undefined;
  if (!Array.isArray(wrote)) return {};
  return { wrote: wrote.filter((path) => typeof path === 'string').slice(0, mostWritten), wrote_count: wrote.length };
}
