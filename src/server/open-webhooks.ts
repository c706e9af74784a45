import type { JobStore } from '../core/job-store.ts'
import type { Ward } from '../create-ward.ts'
import type { Peppers } from '../gate/pepper.ts'
import { processScheduler } from '../jobs/scheduler.ts'
import { createTargetAddresses } from '../jobs/webhook-address.ts'
import { resolveName } from '../jobs/webhook-resolve.ts'
import { createWebhookSecretSeal } from '../jobs/webhook-secret.ts'
import { createWebhookService, type WebhookService } from '../jobs/webhook-service.ts'
import { startWebhookWorker } from '../jobs/webhook-worker.ts'

export interface OpenWebhooksOptions {
  readonly ward: Pick<Ward, 'gate' | 'clock'>
  readonly store: JobStore
  readonly peppers: Peppers
  /** Addresses and CIDR blocks that may be reached although they are not public. */
  readonly allow: readonly string[]
  readonly allowHttp: boolean
  readonly onFault: (message: string, fault: unknown) => void
}

export interface OpenWebhooks {
  readonly webhooks: WebhookService
  /** Begins no more deliveries, and breaks off after the grace what is under way: it is due again at the next start. Closes nothing else. */
  readonly close: (graceMs: number) => Promise<void>
}

/** How long one delivery may take, in milliseconds: Standard Webhooks has receivers answer within 15 to 30 s. */
const deadlineMs = 20_000

/** Webhooks over a ward's jobs, and the worker that sends them. */
export function openWebhooks(options: OpenWebhooksOptions): OpenWebhooks {
  const { ward, store, peppers, allow, allowHttp, onFault } = options
  const { clock } = ward
  const { changes, writer } = ward.gate.recorder
  const rules = { addresses: createTargetAddresses(allow), allowHttp }
  const seal = createWebhookSecretSeal(peppers)
  const worker = startWebhookWorker({
    outbox: store,
    queue: store,
    seal,
    rules,
    writer,
    clock,
    random: Math.random,
    schedule: processScheduler.after,
    resolve: resolveName,
    deadlineMs,
    onFault,
  })
  return {
    webhooks: createWebhookService({ outbox: store, seal, rules, clock, changes }),
    close: worker.close,
  }
}
