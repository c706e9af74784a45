import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'training/**/*.test.ts', 'test/**/*.test.ts'],
    // `npm test -- --ecosystem`, with a configuration of its own.
    exclude: ['**/node_modules/**', 'test/ecosystem/**'],
    // Real processes, sockets and a browser run here on shared machines: generous, so that a slow one is not a failing one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    pool: 'forks',
    // On processors with protection keys V8 may end a process whose threads come and go (`Check failed: jit_page.has_value()`,
    // Node 18 to 24), and tests start and end thousands of threads.
    execArgv: ['--no-memory-protection-keys'],
  },
})
