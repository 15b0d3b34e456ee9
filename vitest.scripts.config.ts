import { defineConfig } from 'vitest/config';

/** `npm run test:scripts`: the scripts that come with the program, against hostile archives, half-dead runs and stubborn services. */
export default defineConfig({
  test: {
    include: ['test/execution/attacked/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
