import type { KeptAnswers } from '../idempotency/idempotency-store.ts'
import type { JobQueue } from '../jobs/job-queue.ts'
import type { WebhookOutbox } from '../webhooks/outbox.ts'

/** Everything of async endpoints that must be kept together, because it changes in one commit. */
export interface JobStore extends JobQueue, KeptAnswers, WebhookOutbox {
  readonly close: () => Promise<void>
}
