import type { WebhookDelivery } from '../../core/webhook.ts'

/** Columns of `deliveries` in the order of `DeliveryCells`. */
export const deliveryColumns: string = [
  ...['id', 'job_id', 'owner', 'url', 'status', 'attempts', 'due_at', 'created_at'],
  ...['last_at', 'last_status', 'last_reason', 'lease'],
].join(', ')

export type DeliveryCells = readonly [
  id: string,
  jobId: string,
  owner: string,
  url: string,
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
  const [id, jobId, owner, url, status, attempts, dueAt, createdAt, at, lastStatus, reason, lease] = cells
  return {
    id,
    jobId,
    owner,
    url,
    status: status as WebhookDelivery['status'],
    attempts,
    dueAt,
    createdAt,
    lastAttempt: at === null ? null : { at, status: lastStatus, reason },
    lease,
  }
}
