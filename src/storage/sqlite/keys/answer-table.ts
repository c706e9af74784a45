import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import type { SqliteDatabase } from '../database.ts'

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

interface AnswerRow {
  readonly id: string
  readonly request_digest: string
  readonly sealed: Uint8Array
  readonly expires_at: number
}

export function createAnswerTable(database: SqliteDatabase): AnswerTable {
  const find = database.prepare<AnswerRow>(
    'SELECT id, request_digest, sealed, expires_at FROM answers WHERE id = ? AND expires_at > ?',
  )
  const put = database.prepare(
    'INSERT OR REPLACE INTO answers (id, request_digest, sealed, expires_at) VALUES (?, ?, ?, ?)',
  )
  const purge = database.prepare(
    `DELETE FROM answers WHERE rowid IN
      (SELECT rowid FROM answers WHERE expires_at <= ? ORDER BY expires_at LIMIT ${purgedMax})`,
  )
  return {
    find: (id, now) => {
      const row = find.get(id, now)
      if (row === undefined) return undefined
      return Object.freeze({
        id: row.id,
        requestDigest: row.request_digest,
        sealed: row.sealed,
        expiresAt: row.expires_at,
      })
    },
    put: (answer) => {
      put.run(answer.id, answer.requestDigest, answer.sealed, answer.expiresAt)
    },
    purge: (now) => {
      purge.run(now)
    },
  }
}
