import { randomUUID } from 'node:crypto'
import type { JobRecord } from '../../../../jobs/job.ts'
import type { RowMacs } from '../../../../secrets/row-macs.ts'
import type { DeliveryReason, WebhookDelivery, WebhookOutbox } from '../../../../webhooks/outbox.ts'
import { macedDelivery } from '../../../job-row-macs.ts'
import { unreadJob } from '../../../unread-job.ts'
import type { Postgres } from '../../postgres.ts'
import { isStorable } from '../../storable-text.ts'
import { DamagedRow } from '../damaged-row.ts'
import type { JobParts } from '../job-parts.ts'
import { createSecretCalls } from './webhook-secrets.ts'

interface DeliveryRow {
  readonly id: string
  readonly job_id: string
  readonly owner: string
  readonly url: string
  readonly job: string
  readonly status: WebhookDelivery['status']
  readonly attempts: number
  readonly due_at: number | null
  readonly created_at: number
  readonly last_at: number | null
  readonly last_status: number | null
  readonly last_reason: string | null
  readonly held_by: string | null
  readonly mac: Uint8Array
}

/** Deliveries of webhooks, and the secrets that sign them. */
export function createOutboxCalls({
  postgres,
  macs,
  turns,
}: Pick<JobParts, 'postgres' | 'macs' | 'turns'>): WebhookOutbox {
  const { query, schema, name } = postgres
  const read = (row: DeliveryRow): WebhookDelivery => readDelivery(macs, row)

  /** @throws DamagedRow */
  async function findDelivery({
    id,
    owner,
  }: {
    id: string
    owner?: string
  }): Promise<WebhookDelivery | undefined> {
    if (!isStorable(id, owner)) return undefined
    const [row] = await turns.run(owner, () =>
      query<DeliveryRow>(
        `SELECT * FROM ${schema}.deliveries WHERE id = $1 AND ($2::text IS NULL OR owner = $2)`,
        [id, owner ?? null],
      ),
    )
    const delivery = row && read(row)
    if (delivery?.isDamaged) throw new DamagedRow(`webhook ${id}`, name)
    return delivery && withoutLease(delivery)
  }

  return {
    async claimDeliveries({ max, ownerMax, now, until }) {
      const rows = await query<DeliveryRow>(
        `SELECT * FROM ${schema}.claim_deliveries($1::int, $2::bigint, $3::bigint, $4::bigint, $5)`,
        [max, ownerMax, now, until, randomUUID()],
      )
      return rows.map(read)
    },
    async settleDelivery({ id, lease, result, then }) {
      const [status, dueAt] = typeof then === 'string' ? [then, null] : ['waiting', then.retryAt]
      await query(`SELECT ${schema}.settle_delivery($1, $2, $3, $4::bigint, $5::bigint, $6::int, $7)`, [
        ...[id, lease, status, dueAt],
        ...[result.at, result.status, result.reason],
      ])
    },
    async listDeliveries(asked) {
      if (!isStorable(asked.jobId, asked.owner)) return []
      const rows = await turns.run(asked.owner, () => selectDeliveries(postgres, asked))
      return rows.map((row) => withoutLease(read(row)))
    },
    findDelivery,
    async retryDelivery(address, now) {
      // A damaged one stays as it is.
      if ((await findDelivery(address)) === undefined) return undefined
      const [row] = await turns.run(address.owner, () =>
        query<{ readonly retried: boolean }>(
          `SELECT ${schema}.retry_delivery($1, $2, $3::bigint) AS retried`,
          [address.id, address.owner ?? null, now],
        ),
      )
      const delivery = await findDelivery(address)
      return delivery && { delivery, retried: row?.retried ?? false }
    },
    ...createSecretCalls(postgres, macs),
  }
}

function selectDeliveries(
  { query, schema }: Postgres,
  { jobId, owner, limit }: Parameters<WebhookOutbox['listDeliveries']>[0],
): Promise<readonly DeliveryRow[]> {
  const wheres = [
    ...(jobId === undefined ? [] : ['job_id = $2']),
    // The empty text hides the index on owners: a job has few deliveries, an owner many.
    ...(owner === undefined ? [] : [jobId === undefined ? 'owner = $2' : "owner || '' = $3"]),
  ]
  return query<DeliveryRow>(
    `SELECT * FROM ${schema}.deliveries ${wheres.length > 0 ? 'WHERE ' : ''}${wheres.join(' AND ')}
      ORDER BY place DESC LIMIT $1`,
    [limit, ...[jobId, owner].filter((value) => value !== undefined)],
  )
}

function withoutLease(delivery: WebhookDelivery): WebhookDelivery {
  return { ...delivery, lease: null }
}

function readDelivery(macs: RowMacs, row: DeliveryRow): WebhookDelivery {
  const { id, job_id: jobId, owner, url, status, attempts, last_at, last_status, last_reason } = row
  const message = { id, jobId, owner, url, job: row.job, createdAt: row.created_at }
  const isDamaged = !macs.isOf(...macedDelivery(message), row.mac)
  const reason = last_reason as DeliveryReason | null
  return {
    ...{ id, jobId, owner, url, isDamaged },
    // One that was copied may be of a version before, which has no count of errors.
    job: isDamaged ? unreadJob(message) : Object.assign({ errors: 0 }, JSON.parse(row.job) as JobRecord),
    ...{ status, attempts, dueAt: row.due_at, createdAt: row.created_at },
    lastAttempt: last_at === null ? null : { at: last_at, status: last_status, reason },
    lease: row.held_by,
  }
}
