import { randomBytes, randomUUID } from 'node:crypto'
import { drawBase62 } from '../../core/base62.ts'
import type { JobRecord } from '../../core/job.ts'
import type { WebhookDelivery } from '../../core/webhook.ts'
import type { SqliteDatabase } from './database.ts'
import type { Carried, JobWrites } from './job-calls.ts'
import { type DeliveryCells, decodeDelivery, deliveryColumns } from './job-delivery-row.ts'

/** Deliveries of webhooks, without transactions or error handling of their own. */
export interface JobOutbox extends Pick<Carried<JobWrites>, 'claimDeliveries' | 'settleDelivery'> {
  /** Puts in the message about a job that has ended, where it names a webhook. */
  readonly add: (place: number, job: JobRecord, now: number) => void
  /** Notes anew when an owner's first delivery is due. */
  readonly refresh: (owner: string) => void
}

export function createJobOutbox(database: SqliteDatabase): JobOutbox {
  const insert = database.prepare(
    `INSERT INTO deliveries (id, job, job_id, owner, url, status, attempts, due_at, created_at)
      VALUES (?, ?, ?, ?, ?, 'waiting', 0, ?, ?)`,
  )
  const selectOwners = database.prepare<{ owner: string }>(
    'SELECT owner FROM delivery_turns WHERE due_at <= ? ORDER BY due_at LIMIT ?',
  )
  const selectFirst = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE owner = ? AND due_at <= ? ORDER BY due_at, place LIMIT 1`,
  )
  const lease = database.prepare('UPDATE deliveries SET lease = ?, due_at = ? WHERE id = ?')
  const settle = database.prepare<{ owner: string }>(
    `UPDATE deliveries SET status = ?, attempts = attempts + 1, due_at = ?, last_at = ?, last_status = ?, last_reason = ?,
      lease = NULL WHERE id = ? AND lease = ? RETURNING owner`,
  )
  const refresh = createTurnRefresher(database)

  return {
    add(place, { id, owner, webhook }, now) {
      if (webhook === null) return
      insert.run(`msg_${drawBase62(22, randomBytes)}`, place, id, owner, webhook, now, now)
      refresh(owner)
    },
    refresh,
    claimDeliveries({ max, now, until }) {
      const claimed: WebhookDelivery[] = []
      let owners = selectOwners.all(now, max).map(({ owner }) => owner)
      const touched = new Set(owners)
      // One of each, over and over, so that nobody's thousands keep another's one waiting.
      while (claimed.length < max && owners.length > 0) {
        owners = owners.filter((owner) => {
          const cells = claimed.length < max ? selectFirst.get(owner, now) : undefined
          if (cells === undefined) return false
          const delivery = { ...decodeDelivery(cells), lease: randomUUID() }
          lease.run(delivery.lease, until, delivery.id)
          claimed.push(delivery)
          return true
        })
      }
      for (const owner of touched) refresh(owner)
      claimed.sort((a, b) => (a.dueAt ?? 0) - (b.dueAt ?? 0))
      return claimed.map((delivery) => ({ ...delivery, dueAt: until }))
    },
    settleDelivery({ id, lease, result, then }) {
      const { at, status, reason } = result
      const next = typeof then === 'string' ? then : 'waiting'
      const dueAt = typeof then === 'string' ? null : then.retryAt
      const settled = settle.get(next, dueAt, at, status, reason, id, lease)
      if (settled !== undefined) refresh(settled.owner)
    },
  }
}

function createTurnRefresher(database: SqliteDatabase): (owner: string) => void {
  const selectDue = database.prepare<{ due_at: number | null }>(
    'SELECT min(due_at) AS due_at FROM deliveries WHERE owner = ? AND due_at IS NOT NULL',
  )
  const put = database.prepare(
    `INSERT INTO delivery_turns VALUES (?, ?)
      ON CONFLICT (owner) DO UPDATE SET due_at = excluded.due_at WHERE due_at <> excluded.due_at`,
  )
  const remove = database.prepare('DELETE FROM delivery_turns WHERE owner = ?')
  return (owner) => {
    const dueAt = selectDue.get(owner)?.due_at ?? null
    if (dueAt === null) remove.run(owner)
    else put.run(owner, dueAt)
  }
}
