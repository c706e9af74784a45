import type { JobRecord } from '../../../jobs/job.ts'
import type { DeliveryReason, WebhookDelivery } from '../../../webhooks/outbox.ts'
import { unreadJob } from '../../unread-job.ts'
import { damagedSum, sumOf } from './row-sums.ts'

/** Columns of `deliveries` in the order of `DeliveryCells`. */
export const deliveryColumns: string = [
  ...['id', 'job_id', 'owner', 'url', 'job', 'status', 'attempts', 'due_at', 'created_at'],
  ...['last_at', 'last_status', 'last_reason', 'held_by', 'sum'],
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
  sum: number,
]

/** The columns that a checksum is of. */
export function sumOfDelivery(cells: DeliveryCells): number {
  return sumOf(cells.slice(0, -1) as (string | number | null)[])
}

/** What an attempt changes. */
export interface DeliveryChange {
  readonly status: WebhookDelivery['status']
  readonly attempts: number
  readonly dueAt: number | null
  readonly last: readonly [at: number | null, status: number | null, reason: string | null]
  readonly lease: string | null
}

/** The cells with a change and its checksum; one that was damaged stays so. */
export function changeDelivery(cells: DeliveryCells, change: DeliveryChange): DeliveryCells {
  const [id, jobId, owner, url, job] = cells
  const { status, attempts, dueAt, last, lease } = change
  const changed: DeliveryCells = [
    id,
    jobId,
    owner,
    url,
    job,
    status,
    attempts,
    dueAt,
    cells[8],
    ...last,
    lease,
    0,
  ]
  const sum = isWholeDelivery(cells) ? sumOfDelivery(changed) : damagedSum
  // All but the last, which a slice's type forgets.
  return [...(changed.slice(0, -1) as unknown as ButSum<DeliveryCells>), sum]
}

type ButSum<Cells> = Cells extends readonly [...infer Others, number] ? readonly [...Others] : never

export function isWholeDelivery(cells: DeliveryCells): boolean {
  return cells[13] === sumOfDelivery(cells)
}

export function decodeDelivery(cells: DeliveryCells): WebhookDelivery {
  const [id, jobId, owner, url, job, status, attempts, dueAt, createdAt] = cells
  const [at, lastStatus, reason, lease] = [cells[9], cells[10], cells[11], cells[12]]
  const isDamaged = !isWholeDelivery(cells)
  return {
    id,
    jobId,
    owner,
    url,
    // One of a version before has no count of them.
    job: isDamaged
      ? unreadJob({ jobId, owner, url })
      : Object.assign({ errors: 0 }, JSON.parse(job) as JobRecord),
    isDamaged,
    status: status as WebhookDelivery['status'],
    attempts,
    dueAt,
    createdAt,
    lastAttempt: at === null ? null : { at, status: lastStatus, reason: reason as DeliveryReason | null },
    lease,
  }
}
