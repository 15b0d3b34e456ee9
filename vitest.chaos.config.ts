import { defineConfig } from 'vitest/config';

/** `npm run chaos`: processes that are killed, disks that forget, long runs. Apart from the everyday tests, since they take long. */
export default defineConfig({
  test: {
    include: ['test/chaos/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    setupFiles: ['test/helpers/same-inputs.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
