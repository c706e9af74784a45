// Runs jobs of the model `slow`, which never answers, over PostgreSQL, as a node does; says `asked`
// for each call of the model, and each event with the job, the attempt and the request that it
// names. A line on its standard input ends it.
import { once } from 'node:events'
import { processScheduler } from '../../../src/core/scheduler.ts'
import { openPostgresJobStore } from '../../../src/storage/postgres/jobs/job-store.ts'
import { openPostgres } from '../../../src/storage/postgres/postgres.ts'
import { createTelemetry } from '../../../src/telemetry/telemetry.ts'
import { openTestJobs } from '../../support/open-test-jobs.ts'
import { unhurried } from '../../support/services.ts'
import { macs } from '../row-macs.ts'
import { sayLine } from './say-line.ts'

const [url = '', leaseMs = ''] = process.argv.slice(2)
const postgres = await openPostgres({ ...unhurried, url, fault: 'store_unavailable', connectionsMax: 4 })
const store = await openPostgresJobStore({ postgres, macs, url, node: 'held' })
const telemetry = createTelemetry([
  ({ name, fields, requestId }) => sayLine(`${name} ${Object.values(fields).join(' ')} ${requestId}`),
])
const { jobs } = openTestJobs({
  ...{ store, telemetry, leaseMs: Number(leaseMs), scheduler: processScheduler },
  ...{ clock: Date.now, monotonic: () => performance.now() },
  models: new Map([
    [
      'slow',
      {
        batchMax: 1,
        deadlineMs: 3_600_000,
        predict: (_inputs: readonly unknown[], { signal }: { readonly signal: AbortSignal }) => {
          sayLine('asked')
          return once(signal, 'abort').then(() => signal.throwIfAborted()) as Promise<never>
        },
      },
    ],
  ]),
})
await once(process.stdin, 'data')
await jobs.close({ graceMs: 0 })
await store.close()
await postgres.close()
process.stdin.destroy()
