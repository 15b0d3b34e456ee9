import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [
      'test/browser/**',
      'test/chaos/**',
      'test/docs/**',
      'test/execution/attacked/**',
      'test/external/**',
      'test/http-bridge/bad-input.test.ts',
      'test/model/**',
      'test/worker/sandbox.test.ts',
    ],
    globalSetup: ['test/helpers/memory-folder.ts', 'test/helpers/global-setup.ts'],
    setupFiles: ['src/cli/acyclic.ts', 'test/helpers/same-inputs.ts'],
    pool: 'forks',
    // Files share a process's modules: each test makes its own home and its own app, and nothing else is global.
    isolate: false,
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
