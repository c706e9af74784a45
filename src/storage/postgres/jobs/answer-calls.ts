import type {
  IdempotencyStore,
  ReservationRecord,
  ReserveOutcome,
} from '../../../idempotency/idempotency-store.ts'
import type { StoredBytesBounds } from '../../../idempotency/stored-bytes.ts'
import { bytesOfAnswer } from '../../job-row-bytes.ts'
import { macedAnswer } from '../../job-row-macs.ts'
import { DamagedRow } from './damaged-row.ts'
import type { JobParts } from './job-parts.ts'

/** What came of it; `found`: of the answer or reservation that is there. */
type ReserveRow =
  | { readonly outcome: Exclude<ReserveOutcome['outcome'], 'in_flight' | 'answered'> }
  | ({ readonly outcome: 'found' } & FoundRow)

interface FoundRow {
  readonly request_digest: string
  readonly held_by: string
  /** Null while it is reserved for a request under way. */
  readonly sealed: Uint8Array | null
  readonly expires_at: number
  readonly mac: Uint8Array
}

/** Stored answers and reserved idempotency keys. */
export function createAnswerCalls({
  postgres,
  macs,
  turns,
}: Pick<JobParts, 'postgres' | 'macs' | 'turns'>): IdempotencyStore {
  const { query, schema, name } = postgres

  /** @param expired the MAC of one that has expired, and is to make room */
  async function reserve(
    reservation: ReservationRecord,
    now: number,
    { bytesMax, ownerBytesMax }: StoredBytesBounds,
    expired: Uint8Array | null,
  ): Promise<ReserveOutcome> {
    const { id, owner, requestDigest, holder, until } = reservation
    const own = macedAnswer({ id, requestDigest, holder, sealed: null, expiresAt: until })
    const [row] = await query<ReserveRow>(
      `SELECT * FROM ${schema}.reserve_answer($1, $2, $3, $4, $5::bigint, $6::bytea, $7::bigint, $8::bytea,
        $9::bigint, $10::bigint)`,
      [
        ...[id, owner, requestDigest, holder, until, macs.of(...own), bytesOfAnswer(null), expired],
        ...[bytesMax, ownerBytesMax],
      ],
    )
    if (row === undefined) throw new Error('reserve_answer gave no outcome')
    if (row.outcome !== 'found') return { outcome: row.outcome }
    const { request_digest, held_by, sealed, expires_at, mac } = row
    const found = { id, requestDigest: request_digest, holder: held_by, sealed, expiresAt: expires_at }
    // As long as its end cannot be believed the request is neither answered nor done again.
    if (!macs.isOf(...macedAnswer(found), mac)) throw new DamagedRow(`answer ${id}`, name)
    if (expires_at <= now) return reserve(reservation, now, { bytesMax, ownerBytesMax }, mac)
    return sealed === null
      ? { outcome: 'in_flight', requestDigest: request_digest }
      : { outcome: 'answered', requestDigest: request_digest, sealed }
  }

  return {
    reserve: (reservation, now, bounds) =>
      turns.run(reservation.owner, () => reserve(reservation, now, bounds, null)),
    async storeAnswer(answer) {
      const { id, requestDigest, holder, sealed, expiresAt } = answer
      const [row] = await query<{ readonly is_kept: boolean }>(
        `SELECT ${schema}.keep_answer($1, $2, $3, $4::bytea, $5::bigint, $6::bytea) AS is_kept`,
        [id, holder, requestDigest, Buffer.from(sealed), expiresAt, macs.of(...macedAnswer(answer))],
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
