import { isoTime } from '../keys/record/views.ts'
import type { DeliveryReason, WebhookDelivery } from './outbox.ts'

/** A delivery of a webhook as it is shown to administrators. Times are ISO 8601, UTC. */
export interface DeliveryView {
  /** The message's id, `webhook-id` of Standard Webhooks. */
  readonly id: string
  /** The id of the job that it reports. */
  readonly job: string
  readonly owner: string
  /** Where it goes. Its query is left out: people put secrets there. */
  readonly url: string
  readonly status: WebhookDelivery['status']
  /** Since the message was made, or retried last. */
  readonly attempts: number
  readonly created_at: string
  /** Null where it is not tried again. */
  readonly next_attempt_at: string | null
  readonly last_attempt: {
    readonly at: string
    /** HTTP status that was answered; null where none was. */
    readonly status: number | null
    readonly reason: DeliveryReason | null
  } | null
}

/** Shows a delivery. */
export function viewDelivery(delivery: WebhookDelivery): DeliveryView {
  const { id, jobId, owner, url, status, attempts, createdAt, dueAt, lastAttempt } = delivery
  return {
    id,
    job: jobId,
    owner,
    url: withoutQuery(url),
    status,
    attempts,
    created_at: isoTime(createdAt),
    next_attempt_at: dueAt === null ? null : isoTime(dueAt),
    last_attempt: lastAttempt && { ...lastAttempt, at: isoTime(lastAttempt.at) },
  }
}

function withoutQuery(url: string): string {
  const [before = ''] = url.split('?', 1)
  return before === url ? url : `${before}?…`
}
