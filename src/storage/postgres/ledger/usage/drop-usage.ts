import { usageWidths } from '../../../ledger/usage-cells.ts'
import type { Postgres } from '../../postgres.ts'
import { tryTurn } from '../try-turn.ts'

/**
 * Removes the oldest hour and the oldest day that are over before a moment and have no record any
 * more, if there are any: rows are kept longer than the records, but not for ever. Records that are
 * still being copied in have their sums already.
 *
 * @param keepMs milliseconds that rows are kept beyond the oldest record
 * @param now milliseconds since the epoch
 */
export async function dropOldUsage(postgres: Postgres, keepMs: number, now: number): Promise<void> {
  const { schema } = postgres
  const find = `SELECT width, min(bucket) AS bucket FROM ${schema}.usage_bucket WHERE width = ANY($1::bigint[])
    AND bucket + width <= least((SELECT min_at FROM ${schema}.block ORDER BY id LIMIT 1), $2) - $3::bigint
    AND last_block < (SELECT min(id) FROM ${schema}.block)
    AND NOT EXISTS (SELECT FROM ${schema}.arriving) GROUP BY width`
  const values = [usageWidths, now, keepMs]
  // First without a transaction: most turns have nothing to drop.
  if ((await postgres.query(find, values)).length === 0) return
  await postgres.transaction(async (query) => {
    if (!(await tryTurn(query, schema, 'usage'))) return
    for (const { width, bucket } of await query<{ width: number; bucket: number }>(find, values))
      for (const table of ['usage', 'usage_bucket'])
        await query(`DELETE FROM ${schema}.${table} WHERE width = $1 AND bucket = $2`, [width, bucket])
  })
}
