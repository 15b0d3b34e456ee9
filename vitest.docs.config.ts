import { defineConfig } from 'vitest/config';

/** `npm run test:docs`: every command that the documentation shows, as a reader would type it. */
export default defineConfig({
  test: {
    include: ['test/docs/commands.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
