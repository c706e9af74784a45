import { defineConfig } from 'vitest/config'

// `npm test -- --ecosystem`: it installs, builds and runs what others make, which takes minutes.
export default defineConfig({
  test: {
    include: ['test/ecosystem/*.test.ts'],
    globalSetup: ['test/ecosystem/install.ts'],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    fileParallelism: false,
    pool: 'forks',
  },
})
