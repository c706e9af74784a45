import { randomBytes, randomUUID } from 'node:crypto'
import { drawBase62 } from '../../../core/base62.ts'
import { type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { DeliveryAddress, DeliveryReason, WebhookDelivery } from '../../../webhooks/outbox.ts'
import type { SqliteDatabase } from '../database.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import { createDeliveryTurns } from './job-delivery-turns.ts'

/** Deliveries of webhooks. The caller brings the transaction. */
export interface JobOutbox
  extends Pick<SyncCalls<JobWrites>, 'claimDeliveries' | 'settleDelivery' | 'retryDelivery'> {
  /** Adds the message about a job that has ended, if it names a webhook. */
  readonly add: (job: JobRecord, now: number) => void
  /** Deletes the deliveries of a job; one that still waits goes when it ends. */
  readonly forgetJob: (jobId: string) => void
}

export function createJobOutbox(database: SqliteDatabase): JobOutbox {
  const insert = database.prepare(
    `INSERT INTO deliveries (id, job_id, owner, url, job, status, attempts, due_at, created_at, is_job_forgotten)
      VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, ?, 0)`,
  )
  const settle = database.prepare<{ owner: string }>(
    `UPDATE deliveries SET status = ?, due_at = ?, last_at = ?, last_status = ?, last_reason = ?, lease = NULL
      WHERE id = ? AND lease = ? RETURNING owner`,
  )
  const removeForgotten = database.prepare(
    "DELETE FROM deliveries WHERE id = ? AND is_job_forgotten = 1 AND status <> 'waiting'",
  )
  const removeEnded = database.prepare("DELETE FROM deliveries WHERE job_id = ? AND status <> 'waiting'")
  const noteForgotten = database.prepare('UPDATE deliveries SET is_job_forgotten = 1 WHERE job_id = ?')
  const turns = createDeliveryTurns(database)

  return {
    add(job, now) {
      const { id, owner, webhook } = job
      if (webhook === null) return
      const message = JSON.stringify(withoutResult(job))
      insert.run(`msg_${drawBase62(22, randomBytes)}`, id, owner, webhook, message, now, now)
      turns.refresh(owner)
    },
    claimDeliveries: createDeliveryClaims(database),
    retryDelivery: createDeliveryRetry(database),
    settleDelivery({ id, lease, result, then }) {
      const { at, status, reason } = result
      const isEnd = typeof then === 'string'
      const [next, dueAt] = isEnd ? [then, null] : ['waiting', then.retryAt]
      const settled = settle.get(next, dueAt, at, status, reason, id, lease)
      if (settled === undefined) return
      if (isEnd) removeForgotten.run(id)
      turns.refresh(settled.owner)
    },
    forgetJob(jobId) {
      removeEnded.run(jobId)
      noteForgotten.run(jobId)
    },
  }
}

function createDeliveryClaims(database: SqliteDatabase): JobOutbox['claimDeliveries'] {
  const selectFirst = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE owner = ? AND due_at <= ? ORDER BY due_at, place LIMIT 1`,
  )
  const lease = database.prepare(
    'UPDATE deliveries SET lease = ?, due_at = ?, attempts = attempts + 1 WHERE id = ?',
  )
  const turns = createDeliveryTurns(database)

  return ({ max, ownerMax, now, until }) => {
    const claimed: WebhookDelivery[] = []
    const waiting = turns.list(now, max, ownerMax)
    while (claimed.length < max) {
      // The one that is due longest. The list is no longer than what is claimed.
      const first = waiting.reduce((one, other) => (other.dueAt < one.dueAt ? other : one), noTurn)
      const cells = first === noTurn ? undefined : selectFirst.get(first.owner, now)
      if (cells === undefined) break
      const delivery = decodeDelivery(cells)
      const { id, attempts } = delivery
      const leased = { ...delivery, attempts: attempts + 1, dueAt: until, lease: randomUUID() }
      lease.run(leased.lease, until, id)
      claimed.push(leased)
      const dueAt = turns.refresh(first.owner) ?? now + 1
      first.left -= 1
      first.dueAt = first.left > 0 && dueAt <= now ? dueAt : Number.POSITIVE_INFINITY
    }
    return claimed
  }
}

function createDeliveryRetry(database: SqliteDatabase): JobOutbox['retryDelivery'] {
  const find = createDeliveryFinder(database)
  // `attempts` decides whether there is a next one: the last series may have used them up.
  const retry = database.prepare(
    "UPDATE deliveries SET status = 'waiting', attempts = 0, due_at = ? WHERE id = ?",
  )
  const turns = createDeliveryTurns(database)

  return (address, now) => {
    const delivery = find(address)
    if (delivery === undefined) return undefined
    if (delivery.status === 'waiting') return { delivery, retried: false }
    retry.run(now, delivery.id)
    turns.refresh(delivery.owner)
    return { delivery: { ...delivery, status: 'waiting', attempts: 0, dueAt: now }, retried: true }
  }
}

/** Finds a delivery, and gives it without its lease. */
export function createDeliveryFinder(
  database: SqliteDatabase,
): (address: DeliveryAddress) => WebhookDelivery | undefined {
  const select = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE id = ?`,
  )
  return ({ id, owner }) => {
    const cells = select.get(id)
    if (cells === undefined) return undefined
    const delivery = { ...decodeDelivery(cells), lease: null }
    return owner === undefined || delivery.owner === owner ? delivery : undefined
  }
}

const noTurn = { owner: '', dueAt: Number.POSITIVE_INFINITY, left: 0 }

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
    // One of a version before has no count of them.
    job: Object.assign({ errors: 0 }, JSON.parse(job) as JobRecord),
    status: status as WebhookDelivery['status'],
    attempts,
    dueAt,
    createdAt,
    lastAttempt: at === null ? null : { at, status: lastStatus, reason: reason as DeliveryReason | null },
    lease,
  }
}
