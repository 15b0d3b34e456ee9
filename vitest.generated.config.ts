import { defineConfig } from 'vitest/config';

/** `npm run test:generated`: made-up requests and made-up sequences of operations. DOE_FUZZ_RUNS and DOE_MODEL_RUNS set how many. */
export default defineConfig({
  test: {
    include: ['test/http-bridge/bad-input.test.ts', 'test/model/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
