import { checkOptions, isFunction, isText, isWholeFrom, type OptionRule } from './core/check-options.ts'
import type { Clock } from './core/clock.ts'
import type { JobStore } from './core/job-store.ts'
import { createJobService, type JobServiceOptions } from './jobs/create-job-service.ts'
import type { JobService } from './jobs/job-service.ts'
import type { JobModel } from './jobs/run-attempt.ts'
import type { Scheduler } from './jobs/scheduler.ts'
import type { WebhookService } from './jobs/webhook-service.ts'
import {
  createWardWebhooks,
  type WardWebhooksOptions,
  type WardWebhooksParts,
  webhookRules,
} from './ward-webhooks.ts'

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
  > {
  /** Has this process send webhooks about ended jobs, and says where they may go. @default it sends none: another process of the folder may */
  readonly webhooks?: WardWebhooksOptions
  /** How long jobs and webhooks under way may go on when the ward is closed, in milliseconds; what is left is taken up by whoever runs next. @default 10,000 */
  readonly graceMs?: number
}

/** The same, with the store and, for tests, the time that they go by. */
export interface KeptWardJobs extends WardJobsOptions {
  /** Closed with the ward. */
  readonly store: JobStore
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
  /** Whether this process sends webhooks. @default whether there are options of webhooks */
  readonly isSending?: boolean
}

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
  graceMs: { expected: 'milliseconds, 0 or more', accepts: isWholeFrom(0) },
  webhooks: {
    expected: 'an object of options',
    accepts: (value) => typeof value === 'object' && value !== null,
  },
}

function isNamedModel([name, model]: readonly [unknown, unknown]): boolean {
  const { batchMax, predict } = (model ?? {}) as Partial<JobModel>
  return isText(name) && isWholeFrom(1)(batchMax) && isFunction(predict)
}

/** @throws TypeError for options of jobs that are unknown, missing or wrong, all at once */
export function checkJobsOptions(where: string, options: WardJobsOptions): void {
  checkOptions(where, options, rules)
  if (options.webhooks !== undefined) checkOptions(`${where}: \`webhooks\``, options.webhooks, webhookRules)
}

export interface WardJobs {
  readonly jobs: JobService | undefined
  readonly webhooks: WebhookService | undefined
  readonly close: () => Promise<void>
}

/** The jobs of a ward and their webhooks, recorded as its changes are; none without options. */
export async function createWardJobs(
  options: KeptWardJobs | undefined,
  parts: Omit<WardWebhooksParts, 'store'> & { readonly monotonic: Clock },
): Promise<WardJobs> {
  if (options === undefined) return { jobs: undefined, webhooks: undefined, close: async () => {} }
  const { store, webhooks, graceMs = 10_000, isSending = webhooks !== undefined } = options
  const sending = await createWardWebhooks(webhooks ?? {}, isSending, { ...parts, store })
  const jobs = createJobService({ ...options, ...parts })
  return {
    jobs,
    webhooks: sending.webhooks,
    // Its usages are ended, and its last records written, before the limiter, the ledger and the store go.
    close: () =>
      Promise.all([jobs.close({ graceMs }), sending.close(graceMs)])
        .then(() => {})
        .finally(() => store.close()),
  }
}
