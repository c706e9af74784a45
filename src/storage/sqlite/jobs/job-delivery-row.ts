import type { JobRecord } from '../../../jobs/job.ts'
import type { DeliveryReason, WebhookDelivery } from '../../../webhooks/outbox.ts'

/** Columns of `deliveries` in the order of `DeliveryCells`. */
export const deliveryColumns: string = [
  ...['id', 'job_id', 'owner', 'url', 'job', 'status', 'attempts', 'due_at', 'created_at'],
  ...['last_at', 'last_status', 'last_reason', 'lease'],
].join(', ')

export type DeliveryCells = readonly [
  id: string,
  jobId: string,
  owner: string,
  url: string,
  job: string,
  status: string,
  attempts: number,
  dueAt: number | null,
  createdAt: number,
  lastAt: number | null,
  lastStatus: number | null,
  lastReason: string | null,
  lease: string | null,
]

export function decodeDelivery(cells: DeliveryCells): WebhookDelivery {
  const [id, jobId, owner, url, job, status, attempts, dueAt, createdAt] = cells
  const [at, lastStatus, reason, lease] = [cells[9], cells[10], cells[11], cells[12]]
  return {
    id,
    jobId,
    owner,
    url,
    job: JSON.parse(job) as JobRecord,
    status: status as WebhookDelivery['status'],
    attempts,
    dueAt,
    createdAt,
    lastAttempt: at === null ? null : { at, status: lastStatus, reason: reason as DeliveryReason | null },
    lease,
  }
}
