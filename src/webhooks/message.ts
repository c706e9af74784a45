import { createHmac } from 'node:crypto'
import { viewJob } from '../jobs/view-job.ts'
import { isoTime } from '../keys/record/views.ts'
import type { WebhookDelivery } from './outbox.ts'

/** Media type of a webhook's body. */
const mediaType = 'application/json'

/**
 * A webhook's body: what ended, when, and the job as `GET /jobs/{id}` showed it then, without its
 * result. A webhook may go to a third party; the result needs a key. The same text at every
 * attempt.
 */
export function writeWebhookBody({ job, createdAt }: Pick<WebhookDelivery, 'job' | 'createdAt'>): string {
  const { result: _withheld, ...data } = viewJob({ ...job, result: null })
  const timestamp = isoTime(job.finishedAt ?? createdAt)
  return JSON.stringify({ type: `job.${job.status}`, timestamp, data })
}

/**
 * The headers of one attempt (Standard Webhooks 1.0): the message's id, the moment of this attempt,
 * and a signature by each secret, so that a receiver knows it by the old one or by the new one
 * while a rotation overlaps.
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
  const seconds = String(Math.floor(now / 1000))
  const signed = `${id}.${seconds}.${body}`
  return {
    'content-type': mediaType,
    'user-agent': 'Modelward-Webhooks',
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': secrets.map((secret) => signText(secret, signed)).join(' '),
  }
}

/** @throws where the secret is empty: everyone could sign with it */
function signText(secret: Uint8Array, text: string): string {
  if (secret.length === 0) throw new Error('a webhook was to be signed with an empty secret')
  return `v1,${createHmac('sha256', secret).update(text).digest('base64')}`
}
