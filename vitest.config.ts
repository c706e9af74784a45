import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Of a minute and more: begun last, one of them would run alone while the other processor idles. */
const long = [
  'job-store',
  'postgres-ledger',
  'redis-losses',
  'package/consumers',
  'package/library',
  'e2e/cli',
  'e2e/kill',
  'docs/guides',
  'examples/examples',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification): boolean =>
      long.some((name) => moduleId.endsWith(`${name}.test.ts`))
    const sorted = await super.sort(files)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'training/**/*.test.ts', 'test/**/*.test.ts'],
    // `npm test -- --ecosystem`, with a configuration of its own.
    exclude: ['**/node_modules/**', 'test/ecosystem/**'],
    // Real processes, sockets and a browser run here on shared machines: generous, so that a slow one is not a failing one.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // Starts PostgreSQL and Redis once a test asks for one.
    globalSetup: 'test/support/start-services.ts',
    // On processors with protection keys V8 may end a process whose threads come and go (`Check failed: jit_page.has_value()`,
    // Node 18 to 24), and tests start and end thousands of threads.
    execArgv: ['--no-memory-protection-keys'],
  },
})
