import { Fault } from '../../../core/fault.ts'
import type { StoredAnswer } from '../../../idempotency/idempotency-store.ts'
import { answerColumns, type CheckedAnswerCells, decodeAnswer, encodeAnswer } from '../../keys/answer-row.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { Query } from '../postgres.ts'

/** Answers removed at once, and their bytes: a write pays for it, and must not wait for all. */
const purgedMax = 200
const purgedBytesMax = 4 * 2 ** 20

/** Stored answers. */
export interface AnswerTable {
  /** @param now milliseconds since the epoch */
  readonly find: (query: Query, id: string, now: number) => Promise<StoredAnswer | undefined>
  /** Adds an answer, or replaces an expired one. */
  readonly put: (query: Query, answer: StoredAnswer) => Promise<void>
  /**
   * Removes expired ones, a bounded piece. One that cannot be believed stays, as its end cannot be:
   * a retry would be done twice.
   */
  readonly purge: (query: Query, now: number) => Promise<void>
}

interface AnswerRow {
  readonly id: string
  readonly request_digest: string
  readonly sealed: Uint8Array
  readonly expires_at: number
  readonly mac: Uint8Array
}

export function createAnswerTable(schema: string, rows: BelievedRows): AnswerTable {
  const table = `${schema}.answers`
  const believe = (row: AnswerRow): StoredAnswer => decodeAnswer(rows, cellsOf(row))

  /** The index by which it was found has no MAC. */
  function hasExpired(row: AnswerRow, now: number): boolean {
    try {
      return believe(row).expiresAt <= now
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      return false
    }
  }

  return {
    async find(query, id, now) {
      const [row] = await query<AnswerRow>(`SELECT ${answerColumns}, mac FROM ${table} WHERE id = $1`, [id])
      const answer = row && believe(row)
      return answer === undefined || answer.expiresAt <= now ? undefined : answer
    },
    async put(query, answer) {
      await query(
        `INSERT INTO ${table} (${answerColumns}, mac) VALUES ($1, $2, $3, $4, $5)
          ON CONFLICT (id) DO UPDATE SET request_digest = excluded.request_digest,
            sealed = excluded.sealed, expires_at = excluded.expires_at, mac = excluded.mac`,
        encodeAnswer(rows, answer),
      )
    },
    async purge(query, now) {
      const found = await query<AnswerRow>(
        `SELECT ${answerColumns}, mac FROM (
            SELECT *, sum(octet_length(sealed)) OVER (ORDER BY expires_at, id) - octet_length(sealed) AS before
            FROM (SELECT * FROM ${table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT ${purgedMax}) AS expired
          ) AS summed WHERE before < ${purgedBytesMax}`,
        [now],
      )
      const expired = found.filter((row) => hasExpired(row, now))
      if (expired.length === 0) return
      // One that was replaced meanwhile has another end.
      await query(
        `DELETE FROM ${table} AS a USING unnest($1::text[], $2::bigint[]) AS e (id, expires_at)
          WHERE a.id = e.id AND a.expires_at = e.expires_at`,
        [expired.map(({ id }) => id), expired.map(({ expires_at }) => expires_at)],
      )
    },
  }
}

function cellsOf(row: AnswerRow): CheckedAnswerCells {
  return [row.id, row.request_digest, row.sealed, row.expires_at, row.mac]
}
