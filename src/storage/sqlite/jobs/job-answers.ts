import type { IdempotencyStore, ReservationRecord } from '../../../idempotency/idempotency-store.ts'
import type { SqliteDatabase } from '../database.ts'
import { bytesOfAnswer, createJobBytes } from './job-bytes.ts'
import type { SyncCalls } from './job-calls.ts'

interface AnswerRow {
  readonly request_digest: string
  readonly sealed: Uint8Array | null
}

export interface JobAnswers extends SyncCalls<IdempotencyStore> {
  /** Whether this request still holds its reservation. */
  readonly isReserved: (reservation: Pick<ReservationRecord, 'id' | 'holder'>) => boolean
}

/** Stored answers and reserved idempotency keys. The caller brings the transaction. */
export function createJobAnswers(database: SqliteDatabase): JobAnswers {
  const find = database.prepare<AnswerRow>(
    'SELECT request_digest, sealed FROM answers WHERE id = ? AND expires_at > ?',
  )
  const reserve = database.prepare(
    `INSERT INTO answers (id, request_digest, holder, sealed, expires_at, owner, bytes)
      VALUES (?, ?, ?, NULL, ?, ?, ?)`,
  )
  const removeExpired = database.prepare('DELETE FROM answers WHERE id = ?')
  const bytes = createJobBytes(database)
  const storeAnswer = database.prepare(
    `UPDATE answers SET request_digest = ?, sealed = ?, expires_at = ?, bytes = ?
      WHERE id = ? AND holder = ? AND sealed IS NULL`,
  )
  const release = database.prepare('DELETE FROM answers WHERE id = ? AND holder = ? AND sealed IS NULL')
  const releaseLeft = database.prepare("DELETE FROM answers WHERE sealed IS NULL AND holder LIKE ? || ':%'")
  const findReserved = database.prepare(
    'SELECT 1 FROM answers WHERE id = ? AND holder = ? AND sealed IS NULL',
  )
  return {
    isReserved: ({ id, holder }) => findReserved.get(id, holder) !== undefined,
    reserve({ id, owner, requestDigest, holder, until }, now, bounds) {
      const found = find.get(id, now)
      if (found === undefined) {
        // Before it is looked whether there is room: it takes some up.
        removeExpired.run(id)
        const size = bytesOfAnswer(null)
        const outcome = bytes.findFull([[owner, size]], bounds)
        if (outcome !== undefined) return { outcome }
        reserve.run(id, requestDigest, holder, until, owner, size)
        return { outcome: 'reserved' }
      }
      const { request_digest, sealed } = found
      if (sealed === null) return { outcome: 'in_flight', requestDigest: request_digest }
      return { outcome: 'answered', requestDigest: request_digest, sealed }
    },
    storeAnswer({ id, requestDigest, holder, sealed, expiresAt }) {
      return (
        Number(storeAnswer.run(requestDigest, sealed, expiresAt, bytesOfAnswer(sealed), id, holder).changes) >
        0
      )
    },
    release({ id, holder }) {
      release.run(id, holder)
    },
    releaseLeft(reserver) {
      releaseLeft.run(reserver)
    },
  }
}
