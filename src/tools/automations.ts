// Automations: small functions that run at once, without queue or ack.
import { z } from 'zod';
import type { JsonObject } from '../tasks/outcome.js';
import { defineOperation } from './operation.js';

export const listAutomations = defineOperation({
  name: 'list_automations',
  title: 'List automations',
  description:
    'Small functions that run at once, with the schema of their params. Use it before run_automation. Work that needs approval is a task instead.',
  input: z.object({}),
  output: z.object({
    automations: z.array(
      z.object({
        name: z.string(),
        description: z.string(),
        params: z.record(z.string(), z.unknown()).nullable(),
        source: z.enum(['builtin', 'home']),
        trusted: z.boolean(),
        can_plan: z.boolean(),
        error: z.string().nullable(),
      }),
    ),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tool: true,
  run: async ({ automations }) => ({
    automations: (await automations.list()).map(({ canPlan, ...info }) => ({ ...info, can_plan: canPlan })),
  }),
});

export const runAutomation = defineOperation({
  name: 'run_automation',
  title: 'Run an automation',
  description:
    'Runs an automation at once and answers its result. Use it for quick work that no directive covers: first with dryRun, then, once the person agrees to what it would do, without.',
  input: z.object({
    automation: z.string().min(1).max(128).describe('Its name, as list_automations gives it'),
    params: z.record(z.string(), z.unknown()).optional().describe('Its parameters, by its schema'),
    dryRun: z.boolean().optional().describe('Only say what it would do'),
  }),
  output: z.object({ result: z.unknown() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
  tool: true,
  async run({ automations }, { automation, params, dryRun }, call) {
    const result = await automations.run(automation, (params ?? {}) as JsonObject, {
      dryRun: dryRun ?? false,
      caller: call.caller,
      signal: call.signal,
    });
    return { result };
  },
});
