import { z } from 'zod'
import type { DeliveryView } from '../../../webhooks/view.ts'
import { duration } from '../keys/key-schemas.ts'

export interface DeliveryListRequest {
  readonly job?: string
  readonly limit: number
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
  job: z.string().exactOptional().describe('Only those of this job.'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

const time = z.iso.datetime()

export const deliveryParams: z.ZodType<{ readonly id: string }> = z.object({ id: z.string() })

/** A delivery as it is shown, for OpenAPI. */
export const deliveryView: z.ZodType<DeliveryView> = z.object({
  id: z.string().describe('`webhook-id` of each attempt.'),
  job: z.string().describe('The job that it reports.'),
  owner: z.string(),
  url: z.string().describe('Without its query.'),
  status: z.enum(['waiting', 'delivered', 'failed']),
  attempts: z.int().describe('Since the message was made, or retried last.'),
  created_at: time,
  next_attempt_at: time.nullable(),
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
})

export const deliveryPageView: z.ZodType<{ readonly deliveries: readonly DeliveryView[] }> = z.object({
  deliveries: z.array(deliveryView),
})
