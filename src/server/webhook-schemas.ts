import { z } from 'zod'
import type { DeliveryResult, WebhookDelivery } from '../core/webhook.ts'
import { isoTime } from '../gate/key-view.ts'
import { duration } from './key-schemas.ts'

export interface DeliveryListRequest {
  readonly job_id?: string
  readonly limit: number
}

/** A delivery as it is shown. Times are ISO 8601, UTC. */
export interface DeliveryView {
  readonly id: string
  readonly job_id: string
  readonly url: string
  readonly status: WebhookDelivery['status']
  readonly attempts: number
  readonly due_at: string | null
  readonly created_at: string
  readonly last_attempt: (Omit<DeliveryResult, 'at'> & { readonly at: string }) | null
}

/** A body that may be left out. */
export const secretBody: z.ZodType<{ readonly overlap?: string } | null> = z
  .strictObject({
    overlap: duration
      .exactOptional()
      .describe('How long the secret before it signs too; at most 30d. By default 24h.'),
  })
  .nullable()

export const secretView: z.ZodType<{ readonly secret: string }> = z.object({
  secret: z
    .string()
    .describe('Shown this once.')
    .meta({ examples: ['whsec_…'] }),
})

export const deliveryListQuery: z.ZodType<DeliveryListRequest> = z.strictObject({
  job_id: z.string().exactOptional(),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const time = z.iso.datetime()

export const deliveryPageView: z.ZodType<{ readonly deliveries: readonly DeliveryView[] }> = z.object({
  deliveries: z.array(
    z.object({
      id: z.string().describe('`webhook-id` of each attempt.'),
      job_id: z.string(),
      url: z.string(),
      status: z.enum(['waiting', 'delivered', 'failed']),
      attempts: z.int(),
      due_at: time.nullable().describe('When it is tried next.'),
      created_at: time,
      last_attempt: z
        .object({
          at: time,
          status: z.int().nullable().describe('HTTP status that was answered.'),
          reason: z
            .enum([
              'address_denied',
              'name_unresolved',
              'connection',
              'tls',
              'timeout',
              'redirect',
              'secret_missing',
              'stopped',
            ])
            .nullable(),
        })
        .nullable(),
    }),
  ),
})

/** Shows a delivery. */
export function viewDelivery(delivery: WebhookDelivery): DeliveryView {
  const { id, jobId, url, status, attempts, dueAt, createdAt, lastAttempt } = delivery
  return {
    id,
    job_id: jobId,
    url,
    status,
    attempts,
    due_at: dueAt === null ? null : isoTime(dueAt),
    created_at: isoTime(createdAt),
    last_attempt: lastAttempt && { ...lastAttempt, at: isoTime(lastAttempt.at) },
  }
}
