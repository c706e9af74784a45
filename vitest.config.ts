import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Of twenty seconds and more, the longest first: begun last, one of them would run alone while the
 * other processor idles.
 */
const long = [
  'package/consumers',
  'contract/job-store',
  'postgres-job-store',
  'package/library',
  'e2e/cli',
  'docs/guides',
  'docs/pasted',
  'threads/hosted-model',
  'e2e/kill',
  'e2e/cli-jobs',
  'bit-flips',
  'examples/examples',
  'bad-input',
  'fleet-failover',
  'e2e/copy',
  'e2e/ledger',
  'cli-serve',
  'fleet-faults',
  'e2e/workers',
  'kill-jobs',
  'server-ends',
  'parity/server',
  'redis-losses',
  'ledger-tamper',
  'e2e/fleet',
  'key-store-postgres',
  'native-code',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = long.findIndex((name) => moduleId.endsWith(`${name}.test.ts`))
      return found === -1 ? long.length : found
    }
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b))
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
