import type { Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import { createJobService } from '../jobs/create-job-service.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ChangeRecorder } from '../ledger/write/change-recorder.ts'
import type { EntryWriter } from '../ledger/write/entry-writer.ts'
import type { Limiter } from '../limits/limiter.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { JobStore } from '../storage/job-store.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createWebhookSecretSeal } from '../webhooks/secret.ts'
import { createTargetAddresses } from '../webhooks/target-address.ts'
import { createWebhookService, type WebhookService } from '../webhooks/webhook-service.ts'
import type { WardJobsOptions, WardWebhooksOptions } from './jobs-options.ts'

/** The jobs of a ward. */
export interface JobsOptions extends WardJobsOptions {
  /** Whether this process sends webhooks. @default whether `webhooks` is there */
  readonly isSending?: boolean
  /** Names this process: see `RunOnceOptions.reserver`. @default the node's id, or none */
  readonly reserver?: string
}

export interface WardJobs {
  readonly jobs: JobService
  readonly webhooks: WebhookService
  readonly close: () => Promise<void>
}

export interface WardJobsDeps {
  readonly store: JobStore
  readonly peppers: Peppers
  readonly ledger: Ledger | undefined
  readonly writer: EntryWriter
  /** Undefined: this process settles nothing. */
  readonly limiter: Limiter | undefined
  readonly changes: ChangeRecorder
  readonly clock: Clock
  readonly monotonic: Clock
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** Starts the jobs of a ward and their webhooks, recorded as its changes are. */
export async function createWardJobs(options: JobsOptions, deps: WardJobsDeps): Promise<WardJobs> {
  const { webhooks: targets = {}, isSending = options.webhooks !== undefined, graceMs = 10_000 } = options
  const webhooks = await createWardWebhooks(targets, isSending, deps)
  const jobs = createJobService({ ...options, ...deps })
  return {
    jobs,
    webhooks: webhooks.service,
    async close() {
      await Promise.all([jobs.close({ graceMs }), webhooks.close(graceMs)])
    },
  }
}

interface WardWebhooks {
  readonly service: WebhookService
  /** Attempts under way get so many milliseconds; what is left is due again in the next process. */
  readonly close: (graceMs: number) => Promise<void>
}

/** @param isSending whether this process sends them, or leaves that to another */
async function createWardWebhooks(
  { allow = [], allowHttp = false, deadlineMs = 20_000 }: WardWebhooksOptions,
  isSending: boolean,
  { store, peppers, writer, changes, clock, scheduler, telemetry }: WardJobsDeps,
): Promise<WardWebhooks> {
  const rules = { addresses: createTargetAddresses(allow), allowHttp }
  const seal = createWebhookSecretSeal(peppers)
  let wake: (() => void) | undefined
  const service = createWebhookService({
    ...{ outbox: store, seal, rules, clock, changes, writer },
    onDue: () => wake?.(),
  })
  if (!isSending) return { service, close: async () => {} }
  // Imported on demand: it loads the package that signs, which a process that only guards does
  // not need.
  const [{ startWebhookWorker }, { resolveName }] = await Promise.all([
    import('../webhooks/webhook-worker.ts'),
    import('../webhooks/resolve.ts'),
  ])
  const worker = startWebhookWorker({
    outbox: store,
    queue: store,
    seal,
    rules,
    writer,
    clock,
    deadlineMs,
    resolve: resolveName,
    random: Math.random,
    schedule: scheduler.after,
    telemetry,
  })
  wake = worker.wake
  return { service, close: worker.close }
}
