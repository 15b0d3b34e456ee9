import { defineConfig } from 'vitest/config';

// The page in a real Chromium: `apt-get install chromium`, or CHROMIUM names another one.
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
});
