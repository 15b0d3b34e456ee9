import { defineConfig } from 'vitest/config';

/** `npm run test:generated`: made-up requests and made-up sequences of operations. DOE_FUZZ_RUNS and DOE_MODEL_RUNS set how many, and DOE_TEST_SEED=new takes others. */
export default defineConfig({
  test: {
    include: ['test/http-bridge/bad-input.test.ts', 'test/model/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    setupFiles: ['src/cli/acyclic.ts', 'test/helpers/same-inputs.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
