// Pause lets no run start anywhere on this home; what runs goes on.
import { z } from 'zod';
import { defineOperation } from './operation.js';
import { byOf, requireOperator } from './views.js';

const setPaused = (name: string, title: string, paused: boolean) =>
  defineOperation({
    name,
    title,
    description: paused ? 'Lets no run start until resume; running ones go on.' : 'Lets runs start again.',
    input: z.object({}),
    output: z.object({ paused: z.boolean() }),
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    tool: false,
    async run({ store }, _input, call) {
      requireOperator(call, paused ? 'Pausing the home' : 'Resuming the home');
      await store.tasks.setPaused(paused, byOf(call));
      return { paused };
    },
  });

export const pause = setPaused('pause', 'Pause', true);
export const resume = setPaused('resume', 'Resume', false);
