import { Webhook } from 'standardwebhooks'
import type { JobRecord } from '../core/job.ts'
import type { WebhookDelivery } from '../core/webhook.ts'

/** Media type of a webhook's body. */
const mediaType = 'application/json'

/**
 * A webhook's body: what ended, when, and the job as it ended. Neither inputs nor result: a webhook may go to a third party, and whoever may have
 * the result asks for it with a key, at `GET /jobs/{id}`. The same text at every attempt.
 */
export function writeWebhookBody({ job, createdAt }: Pick<WebhookDelivery, 'job' | 'createdAt'>): string {
  return JSON.stringify({
    type: `job.${job.status}`,
    timestamp: isoTime(job.finishedAt ?? createdAt),
    data: viewEndedJob(job),
  })
}

function viewEndedJob(job: JobRecord): Readonly<Record<string, unknown>> {
  return {
    id: job.id,
    status: job.status,
    progress: { done: job.done, total: job.total },
    error: job.error,
    created_at: isoTime(job.createdAt),
    started_at: job.startedAt === null ? null : isoTime(job.startedAt),
    finished_at: job.finishedAt === null ? null : isoTime(job.finishedAt),
    expires_at: job.expiresAt === null ? null : isoTime(job.expiresAt),
  }
}

/**
 * The headers of one attempt (Standard Webhooks 1.0): the message's id, the moment of this attempt, and a signature by each secret, so that a
 * receiver knows it by the old one or by the new one while a rotation overlaps.
 *
 * @param now milliseconds since the epoch
 * @param secrets the bytes of each, one or more
 */
export function signWebhook(
  id: string,
  now: number,
  body: string,
  secrets: readonly Uint8Array[],
): Readonly<Record<string, string>> {
  const at = new Date(now)
  return {
    'content-type': mediaType,
    'user-agent': 'Modelward-Webhooks',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / 1000)),
    'webhook-signature': secrets
      .map((secret) => new Webhook(secret, { format: 'raw' }).sign(id, at, body))
      .join(' '),
  }
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString()
}
