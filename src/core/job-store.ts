import type { JobQueue } from './job-queue.ts'
import type { KeptAnswers } from './kept-answer.ts'
import type { WebhookOutbox } from './webhook.ts'

/** Everything of async endpoints that must be kept together, because it changes in one commit. */
export interface JobStore extends JobQueue, KeptAnswers, WebhookOutbox {
  readonly close: () => Promise<void>
}
