import { createJobService, type JobServiceOptions } from '../../src/jobs/create-job-service.ts'
import type { JobRequest, JobService } from '../../src/jobs/job-service.ts'
import type { JobView } from '../../src/jobs/view-job.ts'
import type { JobModel } from '../../src/jobs/worker/ask-model.ts'
import { createEntryWriter, type LedgerMode } from '../../src/ledger/write/entry-writer.ts'
import { parsePeppers } from '../../src/secrets/peppers.ts'
import type { JobStore } from '../../src/storage/job-store.ts'
import { createInProcessJobStore } from '../../src/storage/sqlite/jobs/in-process-job-store.ts'
import type { OperationalEvent } from '../../src/telemetry/telemetry.ts'
import { createFakeLedger, type FakeLedger } from '../adapters/fake-ledger.ts'
import { collectEvents } from './collect-events.ts'
import { testPepper } from './open-test-ward.ts'
import { createTestTime, type TestTime } from './test-time.ts'

/** A call of the model `slow` that waits to be answered. */
export interface ModelCallUnderWay {
  readonly inputs: readonly unknown[]
  readonly signal: AbortSignal
  /** Answers each input with `[input]`. */
  readonly answer: () => void
  readonly fail: (error: unknown) => void
}

export interface TestJobs {
  readonly jobs: JobService
  readonly store: JobStore
  readonly ledger: FakeLedger
  readonly time: TestTime
  /** Background faults. */
  readonly operational: readonly OperationalEvent[]
  /** Calls of the model `slow` so far. */
  readonly calls: ModelCallUnderWay[]
  /** Submits a job of `acme` and lets it begin. */
  readonly submit: (request?: Partial<JobRequest>) => Promise<JobView>
  /** What has been recorded, of one job or of all. */
  readonly events: (id?: string) => readonly string[]
  /** How the job has ended. */
  readonly ended: (id: string) => Promise<JobView>
}

type Options = Partial<JobServiceOptions> & {
  readonly time?: TestTime
  readonly store?: JobStore
  readonly ledger?: FakeLedger
  readonly ledgerMode?: LedgerMode
  /** Of the model `slow`. @default 2 */
  readonly batchMax?: number
}

/**
 * Jobs over a store in memory. The model `echo` answers at once, `slow` when released. Two with one
 * store are two processes.
 */
export function openTestJobs(options: Options = {}): TestJobs {
  const { time = createTestTime(), store = createInProcessJobStore(), ledger = createFakeLedger() } = options
  const calls: ModelCallUnderWay[] = []
  const { telemetry, events: operational } = collectEvents()
  const jobs = createJobService({
    store,
    peppers: parsePeppers(testPepper, 'the test'),
    writer: createEntryWriter({ ledger, mode: options.ledgerMode, telemetry }),
    models: new Map<string, JobModel>([
      ['echo', { batchMax: 2, predict: echo }],
      [
        'slow',
        {
          batchMax: options.batchMax ?? 2,
          deadlineMs: 3_600_000,
          predict: (inputs, { signal }) => waiting(calls, inputs, signal),
        },
      ],
    ]),
    clock: time.clock,
    monotonic: time.clock,
    scheduler: time.scheduler,
    random: () => 0.5,
    telemetry,
    ...options,
  })
  return {
    jobs,
    store,
    ledger,
    time,
    operational,
    calls,
    async submit(request = {}) {
      const { job } = await jobs.submit({ ...requestOf('a'), ...request })
      await time.settle()
      return job
    },
    events: (id) =>
      ledger.entries
        .filter(({ detail }) => id === undefined || Object.values(detail ?? {}).includes(id))
        .map(({ event }) => event),
    ended: (id) => jobs.get('acme', id, { waitMs: 1e9 }),
  }
}

/** A request of `acme` for the model `echo`. */
export function requestOf(...inputs: readonly unknown[]): JobRequest {
  const kind = inputs.length === 1 ? 'single' : 'batch'
  return { owner: 'acme', keyId: 'key1', requestId: 'req1', model: 'echo', kind, inputs }
}

function echo(inputs: readonly unknown[]): readonly unknown[] {
  return inputs.map((input) => [input])
}

function waiting(
  calls: ModelCallUnderWay[],
  inputs: readonly unknown[],
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  return new Promise((resolve, reject) => {
    calls.push({ inputs, signal, answer: () => resolve(echo(inputs)), fail: reject })
  })
}
