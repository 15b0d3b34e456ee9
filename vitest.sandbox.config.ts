import { defineConfig } from 'vitest/config';

/** `npm run test:sandbox`: scripts in a sandbox, which needs bubblewrap (Debian's package `bubblewrap`) and user namespaces. */
export default defineConfig({
  test: {
    include: ['test/worker/sandbox.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
