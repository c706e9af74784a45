import { Fault } from '../../../core/fault.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { SqliteDatabase } from '../database.ts'

/** Answers removed at once: a write pays for it, and must not wait for all of them. */
const purgedMax = 200

/** Stored answers. The caller brings the transaction. */
export interface AnswerTable {
  /** @param now milliseconds since the epoch */
  readonly find: (id: string, now: number) => StoredAnswer | undefined
  /** Adds an answer, or replaces an expired one. */
  readonly put: (answer: StoredAnswer) => void
  /**
   * Removes expired ones. One that cannot be believed stays, as its end cannot be: a retry would be
   * done twice.
   */
  readonly purge: (now: number) => void
}

/** The columns that the MAC of an answer is of, in the order of `AnswerCells`. */
export const answerColumns = 'id, request_digest, sealed, expires_at'

export type AnswerCells = readonly [id: string, requestDigest: string, sealed: Uint8Array, expiresAt: number]

type CheckedCells = readonly [...AnswerCells, mac: Uint8Array | null]

export function createAnswerTable(database: SqliteDatabase, rows: BelievedRows): AnswerTable {
  const find = database.prepareCells<CheckedCells>(`SELECT ${answerColumns}, mac FROM answers WHERE id = ?`)
  const put = database.prepare(
    `INSERT OR REPLACE INTO answers (${answerColumns}, mac) VALUES (?, ?, ?, ?, ?)`,
  )
  const selectExpired = database.prepareCells<[...CheckedCells, rowid: number]>(
    `SELECT ${answerColumns}, mac, rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ${purgedMax}`,
  )
  const remove = database.prepare('DELETE FROM answers WHERE rowid = ?')

  /** @throws Fault `store_unavailable` for one that is not the one that was written */
  function believe([id, requestDigest, sealed, expiresAt, mac]: CheckedCells): StoredAnswer {
    rows.check('answer', id, [id, requestDigest, sealed, expiresAt], mac)
    return Object.freeze({ id, requestDigest, sealed, expiresAt })
  }

  function hasExpired(cells: CheckedCells, now: number): boolean {
    try {
      // The index by which it was found has no MAC.
      return believe(cells).expiresAt <= now
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return false
    }
  }

  return {
    find: (id, now) => {
      const found = find.get(id)
      const answer = found && believe(found)
      return answer === undefined || answer.expiresAt <= now ? undefined : answer
    },
    put({ id, requestDigest, sealed, expiresAt }) {
      const cells = [id, requestDigest, sealed, expiresAt] as const
      put.run(...cells, rows.macOf('answer', cells))
    },
    purge: (now) => {
      for (const [id, requestDigest, sealed, expiresAt, mac, rowid] of selectExpired.all(now))
        if (hasExpired([id, requestDigest, sealed, expiresAt, mac], now)) remove.run(rowid)
    },
  }
}
