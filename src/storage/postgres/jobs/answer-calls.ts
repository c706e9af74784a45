import type { IdempotencyStore, ReserveOutcome } from '../../../idempotency/idempotency-store.ts'
import { bytesOfAnswer } from '../../job-row-bytes.ts'
import type { JobParts } from './job-parts.ts'

interface ReserveRow {
  readonly outcome: ReserveOutcome['outcome']
  readonly request_digest: string | null
  readonly sealed: Uint8Array | null
}

/** Stored answers and reserved idempotency keys. */
export function createAnswerCalls({
  postgres,
  turns,
}: Pick<JobParts, 'postgres' | 'turns'>): IdempotencyStore {
  const { query, schema } = postgres
  return {
    async reserve({ id, owner, requestDigest, holder, until }, now, { bytesMax, ownerBytesMax }) {
      const values = [
        id,
        owner,
        requestDigest,
        holder,
        until,
        bytesOfAnswer(null),
        now,
        bytesMax,
        ownerBytesMax,
      ]
      const [row] = await turns.run(owner, () =>
        query<ReserveRow>(
          `SELECT * FROM ${schema}.reserve_answer($1, $2, $3, $4, $5::bigint, $6::bigint, $7::bigint, $8::bigint,
            $9::bigint)`,
          values,
        ),
      )
      return outcomeOf(row)
    },
    async storeAnswer({ id, requestDigest, holder, sealed, expiresAt }) {
      const [row] = await query<{ readonly is_kept: boolean }>(
        `SELECT ${schema}.keep_answer($1, $2, $3, $4::bytea, $5::bigint) AS is_kept`,
        [id, holder, requestDigest, Buffer.from(sealed), expiresAt],
      )
      return row?.is_kept ?? false
    },
    async release({ id, holder }) {
      await query(`SELECT ${schema}.release_answer($1, $2)`, [id, holder])
    },
    async releaseLeft(reserver) {
      await query(`SELECT ${schema}.release_answers_of($1)`, [reserver])
    },
  }
}

function outcomeOf(row: ReserveRow | undefined): ReserveOutcome {
  if (row === undefined) throw new Error('reserve_answer gave no outcome')
  const { outcome, request_digest, sealed } = row
  if (outcome === 'in_flight') return { outcome, requestDigest: request_digest ?? '' }
  if (outcome === 'answered')
    return { outcome, requestDigest: request_digest ?? '', sealed: sealed ?? new Uint8Array() }
  return { outcome }
}
