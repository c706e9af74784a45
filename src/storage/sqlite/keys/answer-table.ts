import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { SqliteDatabase } from '../database.ts'
import type { BelievedRows } from './believed-rows.ts'

/** Answers removed at once: a write pays for it, and must not wait for all of them. */
const purgedMax = 1_000

/** Stored answers. The caller brings the transaction. */
export interface AnswerTable {
  /** @param now milliseconds since the epoch */
  readonly find: (id: string, now: number) => StoredAnswer | undefined
  /** Adds an answer, or replaces an expired one. */
  readonly put: (answer: StoredAnswer) => void
  readonly purge: (now: number) => void
}

/** The columns that the MAC of an answer is of, in the order of `AnswerCells`. */
export const answerColumns = 'id, request_digest, sealed, expires_at'

export type AnswerCells = readonly [id: string, requestDigest: string, sealed: Uint8Array, expiresAt: number]

export function createAnswerTable(database: SqliteDatabase, rows: BelievedRows): AnswerTable {
  const find = database.prepareCells<[...AnswerCells, mac: Uint8Array | null]>(
    `SELECT ${answerColumns}, mac FROM answers WHERE id = ?`,
  )
  const put = database.prepare(
    `INSERT OR REPLACE INTO answers (${answerColumns}, mac) VALUES (?, ?, ?, ?, ?)`,
  )
  const purge = database.prepare(
    `DELETE FROM answers WHERE rowid IN
      (SELECT rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ${purgedMax})`,
  )
  return {
    find: (id, now) => {
      const found = find.get(id)
      if (found === undefined) return undefined
      const [, requestDigest, sealed, expiresAt, mac] = found
      rows.check('answer', id, [id, requestDigest, sealed, expiresAt], mac)
      return expiresAt <= now ? undefined : Object.freeze({ id, requestDigest, sealed, expiresAt })
    },
    put({ id, requestDigest, sealed, expiresAt }) {
      const cells = [id, requestDigest, sealed, expiresAt] as const
      put.run(...cells, rows.macOf('answer', cells))
    },
    purge: (now) => {
      purge.run(now)
    },
  }
}
