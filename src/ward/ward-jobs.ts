import type { Clock } from '../core/clock.ts'
import type { Scheduler } from '../core/scheduler.ts'
import { createJobService } from '../jobs/create-job-service.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { JobStore } from '../storage/job-store.ts'
import type { WebhookService } from '../webhooks/webhook-service.ts'
import type { WardJobsOptions } from './jobs-options.ts'
import { createWardWebhooks, type WardWebhooksParts } from './ward-webhooks.ts'

/** What a ward's jobs are, with the store and, for tests, the time that they go by. */
export interface KeptWardJobs extends WardJobsOptions {
  /** Closed with the ward. */
  readonly store: JobStore
  /** @default the process's own timers */
  readonly scheduler?: Scheduler
  /** Whether this process sends webhooks. @default whether there are options of webhooks */
  readonly isSending?: boolean
}

export interface WardJobs {
  readonly jobs: JobService
  readonly webhooks: WebhookService
  readonly close: () => Promise<void>
}

/** The jobs of a ward and their webhooks, recorded as its changes are. */
export async function createWardJobs(
  options: KeptWardJobs,
  parts: Omit<WardWebhooksParts, 'store'> & {
    readonly monotonic: Clock
    readonly ledger: Ledger | undefined
  },
): Promise<WardJobs> {
  const { store, webhooks, isSending = webhooks !== undefined, graceMs = 10_000 } = options
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
