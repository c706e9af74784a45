import type { Scheduler } from '../core/scheduler.ts'
import type { Clock } from '../core/time.ts'
import { createJobService } from '../jobs/create-job-service.ts'
import type { JobService } from '../jobs/job-service.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { ChangeRecorder } from '../ledger/write/change-recorder.ts'
import type { EntryWriter } from '../ledger/write/entry-writer.ts'
import type { Peppers } from '../secrets/peppers.ts'
import type { JobStore } from '../storage/job-store.ts'
import { createWebhookSecretSeal } from '../webhooks/secret.ts'
import { createTargetAddresses } from '../webhooks/target-address.ts'
import { createWebhookService, type WebhookService } from '../webhooks/webhook-service.ts'
import type { WardJobsOptions, WardWebhooksOptions } from './jobs-options.ts'

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

interface WardWebhooksParts {
  readonly store: JobStore
  readonly peppers: Peppers
  readonly writer: EntryWriter
  readonly changes: ChangeRecorder
  readonly clock: Clock
  readonly onFault: (message: string, fault: unknown) => void
}

interface WardWebhooks {
  readonly webhooks: WebhookService
  /** Gives attempts under way so many milliseconds to end by themselves; what is left is due again for whoever runs next. */
  readonly close: (graceMs: number) => Promise<void>
}

/** The webhooks of a ward. @param isSending whether this process sends them, or leaves that to another */
async function createWardWebhooks(
  { allow = [], allowHttp = false, deadlineMs = 20_000 }: WardWebhooksOptions,
  isSending: boolean,
  parts: WardWebhooksParts,
): Promise<WardWebhooks> {
  const { store, peppers, writer, changes, clock, onFault } = parts
  const rules = { addresses: createTargetAddresses(allow), allowHttp }
  const seal = createWebhookSecretSeal(peppers)
  const webhooks = createWebhookService({ outbox: store, seal, rules, clock, changes })
  if (!isSending) return { webhooks, close: async () => {} }
  // Loaded now: it brings the package that signs, which whoever only guards does not need.
  const [{ startWebhookWorker }, { resolveName }, { processScheduler }] = await Promise.all([
    import('../webhooks/webhook-worker.ts'),
    import('../webhooks/resolve.ts'),
    import('../core/scheduler.ts'),
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
    schedule: processScheduler.after,
    onFault,
  })
  return { webhooks, close: worker.close }
}
