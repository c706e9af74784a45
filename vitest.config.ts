import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * Of twenty seconds and more, the longest first: begun last, one of them would run alone while the
 * other processor idles.
 */
const long = [
  'postgres-job-store',
  'package/consumers',
  'e2e/cli',
  'examples/examples',
  'docs/guides',
  'contract/job-store',
  'package/library',
  'docs/pasted',
  'e2e/cli-jobs',
  'e2e/copy',
  'fleet-roles',
  'fleet-failover',
  'e2e/bad-input',
  'package/release',
  'e2e/fleet',
  'e2e/ledger',
  'server-ends',
  'copy-behind',
  'kill-jobs',
  'bit-flips',
  'cli-serve',
  'fleet-starts',
  'copy-stores',
  'cli-key-names',
  'e2e/workers',
  'reliability/kill-gateway',
  'ledger-tamper',
  'fleet-database-faults',
  'redis-losses',
  'key-store-postgres',
  'docs-page',
  'native-code',
  'e2e/kill',
  'fleet-pooler',
  'threads/hosted-model',
  'fleet-faults',
  'fleet-limiter-faults',
  'kill-usage',
  'package/package',
  'parity/server',
  'cli-crash',
  'package/command',
  'deploy/image',
  'fleet-cut-off',
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

/** What all tests have. */
const ofAll = {
  // Real processes, sockets and a browser run here on shared machines: generous, so that a slow one is not a failing one.
  testTimeout: 120_000,
  hookTimeout: 120_000,
  // What is polled comes when it comes: a second, the default, would be a bound on the machine.
  expect: { poll: { timeout: 30_000 } },
  pool: 'forks' as const,
  execArgv: [
    // On processors with protection keys V8 may end a process whose threads come and go (`Check failed: jit_page.has_value()`,
    // Node 18 to 24), and tests start and end thousands of threads.
    '--no-memory-protection-keys',
    // Tests of chance and comparisons make much that is garbage at once: collected less often, it costs a tenth less.
    '--max-semi-space-size=64',
    '--min-semi-space-size=16',
  ],
}

/**
 * Subjects whose tests leave nothing behind in their process: many files share one, which has
 * loaded what they test.
 */
const shared = [
  'src/{config,core,express,fastify,gateway,guard,hono,idempotency,jobs,keys,ledger,limits}/**/*.test.ts',
  'src/{prometheus,secrets,server,storage,telemetry,ward,web,webhooks}/**/*.test.ts',
  'test/{adapters,gateway}/**/*.test.ts',
]

/** Of these subjects, tests that replace a module of Node's for their process. */
const replacing = ['src/storage/sqlite/secret-file-without-links.test.ts', 'src/webhooks/resolve.test.ts']

export default defineConfig({
  test: {
    projects: [
      { test: { ...ofAll, name: 'shared', include: shared, exclude: replacing, isolate: false } },
      { test: { ...ofAll, name: 'replacing', include: replacing } },
      {
        test: {
          ...ofAll,
          name: 'own',
          include: ['src/**/*.test.ts', 'bench/**/*.test.ts', 'training/**/*.test.ts', 'test/**/*.test.ts'],
          // `npm test -- --ecosystem`, with a configuration of its own.
          exclude: ['**/node_modules/**', 'test/ecosystem/**', ...shared],
        },
      },
    ],
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // Starts PostgreSQL and Redis once a test asks for one.
    globalSetup: 'test/support/start-services.ts',
  },
})
