import type { LeftStream, LeftStreams } from '../../../ledger/ledger.ts'
import { databaseNow } from '../database-clock.ts'
import type { Postgres } from '../postgres.ts'
import { tryTurn } from './try-turn.ts'

/**
 * Milliseconds that a node was not seen, before its stream counts as left: one that the database
 * was out of reach for comes back, and ends its streams itself.
 */
const silentMs = 60_000

/**
 * Runs a work for the streams of nodes that are gone, as the one node that does so now. They are
 * closed before: a node that was cut off and comes back writes nothing more behind what the work
 * reads. Killed meanwhile, or slower than its transaction may be, it leaves them to the next.
 *
 * @throws Fault `ledger_unavailable`, by rejecting; whatever the work rejects with
 */
export async function withLeftStreams(
  { schema, transaction, query: queryAtOnce }: Postgres,
  ownNode: string,
  work: (left: LeftStreams) => Promise<void>,
): Promise<void> {
  const isGone = `NOT EXISTS (
    SELECT FROM ${schema}.nodes WHERE nodes.id::text = stream.node AND seen_at > ${databaseNow} - ${silentMs})`
  await transaction(async (query) => {
    if (!(await tryTurn(query, schema, 'left streams'))) return
    // Beside the transaction: it stays, whatever becomes of the work.
    await queryAtOnce(
      `UPDATE ${schema}.stream SET is_closed = true, is_left = true WHERE NOT is_closed AND node <> $1 AND ${isGone}`,
      [ownNode],
    )
    const streams = await query<LeftStream>(
      `SELECT id, written_at::float8 AS "writtenAt", CASE WHEN ${isGone} THEN node END AS node
        FROM ${schema}.stream WHERE is_left ORDER BY written_at DESC`,
    )
    if (streams.length === 0) return
    await work({ streams, isCleared: true })
    const ids = streams.map(({ id }) => id)
    await query(`UPDATE ${schema}.stream SET is_left = false WHERE id = ANY($1::text[])`, [ids])
  })
}
