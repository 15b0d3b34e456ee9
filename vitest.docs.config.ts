import { defineConfig } from 'vitest/config';

/** `npm run test:docs`: the documentation held against the program, and every command that it shows, as a reader would type it. */
export default defineConfig({
  test: {
    include: ['test/docs/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
