import type { IdempotencyStore, ReservationRecord } from '../../../idempotency/idempotency-store.ts'
import { bytesOfAnswer } from '../../job-row-bytes.ts'
import type { SqliteDatabase } from '../database.ts'
import { createJobBytes } from './job-bytes.ts'
import type { SyncCalls } from './job-calls.ts'
import { DamagedRow, sumOf } from './row-sums.ts'

export interface AnswerRow {
  readonly id: string
  readonly request_digest: string
  readonly held_by: string
  /** Null while it is reserved for a request under way. */
  readonly sealed: Uint8Array | null
  readonly expires_at: number
}

/** Columns of `answers`, as an `AnswerRow` has them. */
export const answerColumns = 'id, request_digest, held_by, sealed, expires_at'

/** The checksum of an answer, or of a reservation. */
export function sumOfAnswer({ id, request_digest, held_by, sealed, expires_at }: AnswerRow): number {
  return sumOf([id, request_digest, held_by, sealed === null ? 0 : 1, expires_at], sealed ?? '')
}

export interface JobAnswers extends SyncCalls<IdempotencyStore> {
  /** Whether this request still holds its reservation. */
  readonly isReserved: (reservation: Pick<ReservationRecord, 'id' | 'holder'>) => boolean
}

/** Stored answers and reserved idempotency keys. The caller brings the transaction. */
export function createJobAnswers(database: SqliteDatabase): JobAnswers {
  const find = createAnswerFinder(database)
  const reserve = database.prepare(
    `INSERT INTO answers (id, request_digest, held_by, sealed, expires_at, sum, owner, bytes)
      VALUES (?, ?, ?, NULL, ?, ?, ?, ?)`,
  )
  const removeExpired = database.prepare('DELETE FROM answers WHERE id = ?')
  const bytes = createJobBytes(database)
  const storeAnswer = database.prepare(
    `UPDATE answers SET request_digest = ?, sealed = ?, expires_at = ?, sum = ?, bytes = ?
      WHERE id = ? AND held_by = ? AND sealed IS NULL`,
  )
  const release = database.prepare('DELETE FROM answers WHERE id = ? AND held_by = ? AND sealed IS NULL')
  const releaseLeft = database.prepare("DELETE FROM answers WHERE sealed IS NULL AND held_by LIKE ? || ':%'")
  const findReserved = database.prepare(
    'SELECT 1 FROM answers WHERE id = ? AND held_by = ? AND sealed IS NULL',
  )
  return {
    isReserved: ({ id, holder }) => findReserved.get(id, holder) !== undefined,
    reserve({ id, owner, requestDigest, holder, until }, now, bounds) {
      const found = find(id, now)
      if (found === undefined) {
        // Before it is looked whether there is room: it takes some up.
        removeExpired.run(id)
        const size = bytesOfAnswer(null)
        const outcome = bytes.findFull([[owner, size]], bounds)
        if (outcome !== undefined) return { outcome }
        const row = { id, request_digest: requestDigest, held_by: holder, sealed: null, expires_at: until }
        reserve.run(id, requestDigest, holder, until, sumOfAnswer(row), owner, size)
        return { outcome: 'reserved' }
      }
      const { request_digest, sealed } = found
      if (sealed === null) return { outcome: 'in_flight', requestDigest: request_digest }
      return { outcome: 'answered', requestDigest: request_digest, sealed }
    },
    storeAnswer({ id, requestDigest, holder, sealed, expiresAt }) {
      const row = { id, request_digest: requestDigest, held_by: holder, sealed, expires_at: expiresAt }
      const cells = [requestDigest, sealed, expiresAt, sumOfAnswer(row), bytesOfAnswer(sealed)]
      return Number(storeAnswer.run(...cells, id, holder).changes) > 0
    },
    release({ id, holder }) {
      release.run(id, holder)
    },
    releaseLeft(reserver) {
      releaseLeft.run(reserver)
    },
  }
}

/** Finds an answer or a reservation that has not expired. @throws DamagedRow */
function createAnswerFinder(database: SqliteDatabase): (id: string, now: number) => AnswerRow | undefined {
  const find = database.prepare<AnswerRow & { readonly sum: number }>(
    `SELECT ${answerColumns}, sum FROM answers WHERE id = ?`,
  )
  return (id, now) => {
    const row = find.get(id)
    if (row === undefined) return undefined
    if (row.id !== id || row.sum !== sumOfAnswer(row)) throw new DamagedRow(`answer ${id}`)
    return row.expires_at > now ? row : undefined
  }
}
