import { processScheduler, type Scheduler, stayAlive } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import { answerBytesMax } from '../core/written-json.ts'
import { createAnswerSeal } from '../idempotency/answer-seal.ts'
import type { IdempotencyStore } from '../idempotency/idempotency-store.ts'
import { createRunOnce } from '../idempotency/run-once.ts'
import type { LedgerReader } from '../ledger/ledger.ts'
import type { EntryWriter } from '../ledger/write/entry-writer.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Peppers } from '../secrets/peppers.ts'
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.ts'
import { hasEnded } from './job.ts'
import { createJobAccess, type JobAccessOptions } from './job-access.ts'
import { createJobChanges } from './job-changes.ts'
import { createJobCharges } from './job-charges.ts'
import type { JobQueue } from './job-queue.ts'
import { createJobRecords } from './job-records.ts'
import type { JobService } from './job-service.ts'
import { createJobUsages } from './job-usages.ts'
import { recordEnds } from './record-missed-ends.ts'
import { createSubmitJob, type SubmitJobOptions } from './submit-job.ts'
import type { JobModels } from './worker/ask-model.ts'
import { type ExpireJobsOptions, expireJobs } from './worker/expire-jobs.ts'
import { JobWorker } from './worker/job-worker.ts'
import { type ReportUnservedOptions, reportUnserved } from './worker/report-unserved.ts'

export interface JobServiceOptions {
  /** Not closed with the service. */
  readonly store: JobQueue & IdempotencyStore
  readonly peppers: Peppers
  /** Where jobs are recorded. */
  readonly writer: EntryWriter
  /**
   * What is recorded there of ends is looked up once, at the start: a process that was killed may
   * have committed some and recorded them no more.
   * @default nothing is looked up
   */
  readonly ledger?: Pick<LedgerReader, 'query'> | undefined
  /** Models that jobs may ask. */
  readonly models: JobModels
  /**
   * Jobs of one model that this process works on at once; 0 for a process that only submits, looks
   * and cancels.
   * @default what the model says, or 128
   */
  readonly concurrency?: number | undefined
  /** Most jobs that may wait or run, in all. @default 10,000 */
  readonly jobsMax?: number
  /** The same of one owner. @default 1,000 */
  readonly ownerJobsMax?: number
  /**
   * Most bytes that jobs take up, in all: inputs, results, webhooks and answers stored for an
   * `Idempotency-Key`, and 1 KiB each for their rows. @default 8 GiB
   */
  readonly bytesMax?: number
  /** The same of one owner. @default 1 GiB */
  readonly ownerBytesMax?: number
  /** Attempts after which a job is dead. @default 3 */
  readonly attemptsMax?: number
  /** How long ended jobs can be read, in milliseconds. @default 24 hours */
  readonly keepMs?: number
  /**
   * How long a silent worker keeps the lease on its jobs, in milliseconds: how long a job waits
   * after `kill -9` or a power cut. Shorter, and a process that was stopped for a moment loses jobs
   * that it is still working on.
   * @default 30,000
   */
  readonly leaseMs?: number
  /**
   * How long a model may take for one call of a job, from where it begins with it, in milliseconds;
   * a model's own `deadlineMs` where that is longer. Then the call is aborted, and the job is tried
   * again. @default 300,000
   */
  readonly deadlineMs?: number
  /** Longest result, in bytes of JSON. @default 16 MiB */
  readonly resultBytesMax?: number
  /** @default Date.now */
  readonly clock?: Clock
  /** Never jumps, in milliseconds. @default performance.now */
  readonly monotonic?: Clock
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
  /** From 0 on and below 1. @default Math.random */
  readonly random?: () => number
  /**
   * Where calls of model servers are settled as they end.
   * @default they stay as they were reserved
   */
  readonly limiter?: Pick<Limiter, 'settle'> | undefined
  /** Names this process: see `RunOnceOptions.reserver`. @default it has no name */
  readonly reserver?: string | undefined
  /** Called with background faults, which reach no caller. @default no listener */
  readonly telemetry?: Telemetry | undefined
}

/** Waits after the first failures: 0 to 1 s, 0 to 2 s, and so on, up to a minute. */
const retryDelay = { baseMs: 1_000, capMs: 60_000 }

/** Puts the jobs' service together over a store, and begins to work. */
export function createJobService(options: JobServiceOptions): JobService {
  const deps = createDeps(options)
  const { store, changes, charges, usages, worker } = deps
  const stopWatching = store.watch(({ jobs, isDue, others = [] }) => {
    for (const job of jobs) {
      if (hasEnded(job.status)) usages.settle(job)
      worker?.onChange(job)
      changes.notify(job.id)
    }
    for (const id of others) changes.notify(id)
    if (jobs.length === 0 && others.length === 0) changes.notifyAll()
    if (isDue) worker?.wake()
  })
  const stopExpiring = expireJobs(deps)
  worker?.wake()
  const recorded = recordLate(options, deps)
  const reported = worker && reportUnserved(deps)
  let closed: Promise<void> | undefined
  const close = async (graceMs: number): Promise<void> => {
    stopExpiring()
    await worker?.close(graceMs)
    changes.close()
    await charges.close()
    stopWatching()
    await usages.close()
    await recorded
    await reported
  }
  return {
    runOnce: deps.runOnce,
    submit: createSubmitJob(deps),
    ...createJobAccess(deps),
    close({ graceMs = 10_000 } = {}) {
      closed ??= stayAlive(close(graceMs))
      return closed
    },
  }
}

/**
 * Ends that a process before this one committed and did not live to record; a process that only
 * looks leaves them to one that works.
 */
async function recordLate({ ledger, telemetry }: JobServiceOptions, deps: Deps): Promise<void> {
  if (ledger === undefined || deps.worker === undefined) return
  const { store, records, clock } = deps
  try {
    await recordEnds({ store, ledger, records, begunAt: clock() })
  } catch (fault) {
    telemetry?.event('jobs.ends_unknown', {}, fault)
  }
}

type Deps = SubmitJobOptions &
  JobAccessOptions &
  ReportUnservedOptions &
  ExpireJobsOptions & { readonly worker: JobWorker | undefined }

function createDeps(options: JobServiceOptions): Deps {
  const { store, models, concurrency, clock = Date.now, telemetry = noTelemetry } = options
  const { monotonic = () => performance.now(), scheduler = processScheduler, keepMs = 86_400_000 } = options
  const records = createJobRecords(options.writer, clock, telemetry.measures)
  const usages = createJobUsages(telemetry)
  const charges = createJobCharges(options.limiter, scheduler, telemetry)
  const accepting = new Map<string, Promise<boolean>>()
  const seal = createAnswerSeal(options.peppers, clock, 'idempotent predictions v1')
  const bounds = {
    jobsMax: options.jobsMax ?? 10_000,
    ownerJobsMax: options.ownerJobsMax ?? 1_000,
    bytesMax: options.bytesMax ?? 8 * 2 ** 30,
    ownerBytesMax: options.ownerBytesMax ?? 2 ** 30,
  }
  const shared = { store, models, clock, monotonic, scheduler, keepMs, bounds, records, charges, telemetry }
  const workerOptions = {
    ...shared,
    concurrency,
    retryDelay,
    random: options.random ?? Math.random,
    leaseMs: options.leaseMs ?? 30_000,
    deadlineMs: options.deadlineMs ?? 300_000,
    resultBytesMax: options.resultBytesMax ?? answerBytesMax,
    isAccepted: async (id: string) => (await accepting.get(id)) ?? true,
    usedBy: usages.used,
  }
  return {
    ...shared,
    usages,
    accepting,
    attemptsMax: options.attemptsMax ?? 3,
    changes: createJobChanges(scheduler),
    runOnce: createRunOnce({ store, seal, bounds, clock, telemetry, reserver: options.reserver }),
    worker: concurrency === 0 ? undefined : new JobWorker(workerOptions),
  }
}
