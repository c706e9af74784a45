import type { IdempotencyStore } from '../idempotency/idempotency-store.ts'
import type { JobQueue } from '../jobs/job-queue.ts'
import type { WebhookOutbox } from '../webhooks/outbox.ts'

/** Jobs, the answers that name them and their webhooks: they change in one commit. */
export interface JobStore extends JobQueue, IdempotencyStore, WebhookOutbox {
  readonly close: () => Promise<void>
}
