import { randomBytes, randomUUID } from 'node:crypto'
import { drawBase62 } from '../../../core/base62.ts'
import { type JobRecord, withoutResult } from '../../../jobs/job.ts'
import type { DeliveryAddress, WebhookDelivery } from '../../../webhooks/outbox.ts'
import type { SqliteDatabase } from '../database.ts'
import {
  changeDelivery,
  type DeliveryCells,
  type DeliveryChange,
  decodeDelivery,
  deliveryColumns,
  isWholeDelivery,
  sumOfDelivery,
} from './delivery-row.ts'
import type { JobWrites, SyncCalls } from './job-calls.ts'
import { createDeliveryTurns } from './job-delivery-turns.ts'
import { DamagedRow, damagedSum, isDamage } from './row-sums.ts'

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
    `INSERT INTO deliveries (${deliveryColumns}, is_job_forgotten)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
  )
  const change = createDeliveryChange(database)
  const selectLeased = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE id = ? AND held_by = ?`,
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
      const messageId = `msg_${drawBase62(22, randomBytes)}`
      const cells = [
        messageId,
        id,
        owner,
        webhook,
        message,
        'waiting',
        0,
        now,
        now,
        null,
        null,
        null,
        null,
      ] as const
      insert.run(...cells, sumOfDelivery([...cells, 0]))
      turns.refresh(owner)
    },
    claimDeliveries: createDeliveryClaims(database),
    retryDelivery: createDeliveryRetry(database),
    settleDelivery({ id, lease, result, then }) {
      const { at, status, reason } = result
      const isEnd = typeof then === 'string'
      const cells = selectLeased.get(id, lease)
      if (cells === undefined) return
      const { attempts, owner } = decodeDelivery(cells)
      const next = isEnd
        ? ({ status: then, dueAt: null } as const)
        : ({ status: 'waiting', dueAt: then.retryAt } as const)
      change(cells, { ...next, attempts, last: [at, status, reason], lease: null })
      if (isEnd) removeForgotten.run(id)
      turns.refresh(owner)
    },
    forgetJob(jobId) {
      removeEnded.run(jobId)
      noteForgotten.run(jobId)
    },
  }
}

type ChangeWriter = (cells: DeliveryCells, change: DeliveryChange) => void

function createDeliveryChange(database: SqliteDatabase): ChangeWriter {
  const update = database.prepare(
    `UPDATE deliveries SET status = ?, attempts = ?, due_at = ?, last_at = ?, last_status = ?, last_reason = ?,
      held_by = ?, sum = ? WHERE id = ?`,
  )
  return (cells, change) => {
    const changed = changeDelivery(cells, change)
    update.run(...changed.slice(5, 8), ...changed.slice(9), changed[0])
  }
}

function createDeliveryClaims(database: SqliteDatabase): JobOutbox['claimDeliveries'] {
  const due = 'FROM deliveries WHERE owner = ? AND due_at <= ? ORDER BY due_at, place LIMIT 1'
  const selectFirst = database.prepareCells<DeliveryCells>(`SELECT ${deliveryColumns} ${due}`)
  const selectPlace = database.prepare<{ place: number }>(`SELECT place ${due}`)
  const fail = database.prepare(
    `UPDATE deliveries SET status = 'failed', attempts = 0, due_at = NULL, created_at = ?1, last_at = ?1,
      last_status = NULL, last_reason = 'damaged', held_by = NULL, sum = ${damagedSum} WHERE place = ?2`,
  )
  const change = createDeliveryChange(database)
  const turns = createDeliveryTurns(database)

  /** Past those that cannot even be decoded: they are not sent. */
  function findFirst(owner: string, now: number): DeliveryCells | undefined {
    for (;;) {
      try {
        return selectFirst.get(owner, now)
      } catch (error) {
        const damaged = isDamage(error) ? selectPlace.get(owner, now) : undefined
        if (damaged === undefined) throw error
        fail.run(now, damaged.place)
      }
    }
  }

  return ({ max, ownerMax, now, until }) => {
    const claimed: WebhookDelivery[] = []
    const waiting = turns.list(now, max, ownerMax)
    while (claimed.length < max) {
      // The one that is due longest. The list is no longer than what is claimed.
      const first = waiting.reduce((one, other) => (other.dueAt < one.dueAt ? other : one), noTurn)
      const cells = first === noTurn ? undefined : findFirst(first.owner, now)
      if (cells === undefined) break
      const delivery = decodeDelivery(cells)
      const leased = { ...delivery, attempts: delivery.attempts + 1, dueAt: until, lease: randomUUID() }
      change(cells, { ...leased, last: [cells[9], cells[10], cells[11]] })
      claimed.push(leased)
      const dueAt = turns.refresh(first.owner) ?? now + 1
      first.left -= 1
      first.dueAt = first.left > 0 && dueAt <= now ? dueAt : Number.POSITIVE_INFINITY
    }
    return claimed
  }
}

function createDeliveryRetry(database: SqliteDatabase): JobOutbox['retryDelivery'] {
  const find = createDeliverySelect(database)
  const change = createDeliveryChange(database)
  const turns = createDeliveryTurns(database)

  return (address, now) => {
    const cells = find(address)
    if (cells === undefined) return undefined
    const delivery = { ...decodeDelivery(cells), lease: null }
    if (delivery.status === 'waiting') return { delivery, retried: false }
    // `attempts` decides whether there is a next one: the last series may have used them up.
    const waiting = { ...delivery, status: 'waiting', attempts: 0, dueAt: now } as const
    change(cells, { ...waiting, last: [cells[9], cells[10], cells[11]] })
    turns.refresh(delivery.owner)
    return { delivery: waiting, retried: true }
  }
}

/** Finds a delivery, and gives it without its lease. @throws DamagedRow */
export function createDeliveryFinder(
  database: SqliteDatabase,
): (address: DeliveryAddress) => WebhookDelivery | undefined {
  const find = createDeliverySelect(database)
  return (address) => {
    const cells = find(address)
    return cells === undefined ? undefined : { ...decodeDelivery(cells), lease: null }
  }
}

function createDeliverySelect(
  database: SqliteDatabase,
): (address: DeliveryAddress) => DeliveryCells | undefined {
  const select = database.prepareCells<DeliveryCells>(
    `SELECT ${deliveryColumns} FROM deliveries WHERE id = ?`,
  )
  return ({ id, owner }) => {
    const cells = select.get(id)
    if (cells === undefined) return undefined
    if (cells[0] !== id || !isWholeDelivery(cells)) throw new DamagedRow(`webhook ${id}`)
    return owner === undefined || cells[2] === owner ? cells : undefined
  }
}

const noTurn = { owner: '', dueAt: Number.POSITIVE_INFINITY, left: 0 }
