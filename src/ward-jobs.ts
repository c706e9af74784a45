import { checkOptions, isFunction, isText, isWholeFrom, type OptionRule } from './core/check-options.ts'
import type { Clock } from './core/clock.ts'
import type { JobStore } from './core/job-store.ts'
import type { Peppers } from './gate/pepper.ts'
import type { EntryWriter } from './gate/write-entry.ts'
import { createJobService, type JobServiceOptions } from './jobs/create-job-service.ts'
import type { JobService } from './jobs/job-service.ts'
import type { JobModel } from './jobs/run-attempt.ts'

/** Which models jobs may ask, and how many jobs there may be. */
export interface WardJobsOptions
  extends Pick<
    JobServiceOptions,
    | 'models'
    | 'concurrency'
    | 'jobsMax'
    | 'ownerJobsMax'
    | 'attemptsMax'
    | 'keepMs'
    | 'leaseMs'
    | 'resultBytesMax'
  > {}

const rules: Readonly<Record<keyof WardJobsOptions, OptionRule>> = {
  models: {
    expected: 'a Map of models by their names, each with `batchMax` and `predict`',
    accepts: (value) => value instanceof Map && [...value].every(isNamedModel),
    isRequired: true,
  },
  concurrency: { expected: 'a whole number from 0 on', accepts: isWholeFrom(0) },
  jobsMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
  ownerJobsMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
  attemptsMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
  keepMs: { expected: 'milliseconds, 1,000 or more', accepts: isWholeFrom(1_000) },
  leaseMs: { expected: 'milliseconds, 5,000 or more', accepts: isWholeFrom(5_000) },
  resultBytesMax: { expected: 'a whole number from 1 on', accepts: isWholeFrom(1) },
}

function isNamedModel([name, model]: readonly [unknown, unknown]): boolean {
  const { batchMax, concurrency = 1, predict } = (model ?? {}) as Partial<JobModel>
  return isText(name) && [batchMax, concurrency].every(isWholeFrom(1)) && isFunction(predict)
}

/** @throws TypeError for options of jobs that are unknown, missing or wrong, all at once */
export function checkJobsOptions(where: string, options: unknown): void {
  checkOptions(where, options, rules)
}

export interface WardJobs {
  readonly jobs: JobService | undefined
  readonly close: () => Promise<void>
}

/** The jobs of a ward, recorded as its changes are; none without options. */
export function createWardJobs(
  options: (WardJobsOptions & { readonly store: JobStore }) | undefined,
  parts: {
    readonly peppers: Peppers
    readonly writer: EntryWriter
    readonly clock: Clock
    readonly monotonic: Clock
    readonly onFault: (message: string, fault: unknown) => void
  },
): WardJobs {
  if (options === undefined) return { jobs: undefined, close: async () => {} }
  const jobs = createJobService({ ...options, ...parts })
  // Its usages are ended, and its last records written, before the limiter, the ledger and the store go.
  return { jobs, close: () => jobs.close().finally(() => options.store.close()) }
}
