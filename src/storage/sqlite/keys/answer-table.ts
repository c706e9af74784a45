import { Fault } from '../../../core/fault.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import { answerColumns, type CheckedAnswerCells, decodeAnswer, encodeAnswer } from '../../keys/answer-row.ts'
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

export function createAnswerTable(database: SqliteDatabase, rows: BelievedRows): AnswerTable {
  const find = database.prepareCells<CheckedAnswerCells>(
    `SELECT ${answerColumns}, mac FROM answers WHERE id = ?`,
  )
  const put = database.prepare(
    `INSERT OR REPLACE INTO answers (${answerColumns}, mac) VALUES (?, ?, ?, ?, ?)`,
  )
  const selectExpired = database.prepareCells<[...CheckedAnswerCells, rowid: number]>(
    `SELECT ${answerColumns}, mac, rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ${purgedMax}`,
  )
  const remove = database.prepare('DELETE FROM answers WHERE rowid = ?')

  function hasExpired(cells: CheckedAnswerCells, now: number): boolean {
    try {
      // The index by which it was found has no MAC.
      return decodeAnswer(rows, cells).expiresAt <= now
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return false
    }
  }

  return {
    find: (id, now) => {
      const found = find.get(id)
      const answer = found && decodeAnswer(rows, found)
      return answer === undefined || answer.expiresAt <= now ? undefined : answer
    },
    put: (answer) => void put.run(...encodeAnswer(rows, answer)),
    purge: (now) => {
      for (const [id, requestDigest, sealed, expiresAt, mac, rowid] of selectExpired.all(now))
        if (hasExpired([id, requestDigest, sealed, expiresAt, mac], now)) remove.run(rowid)
    },
  }
}
