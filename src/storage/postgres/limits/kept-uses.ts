import type { KeptUses, KeptUsesStore } from '../../../limits/kept-uses.ts'
import type { Postgres } from '../postgres.ts'

/** Rows deleted in one sweep. */
const sweptMax = 500

/**
 * What is used of long limits. Each write names the row that it replaces and the limiter's epoch: a
 * node that still counts in a Redis that the others have left writes nothing.
 */
export function createKeptUsesTable({ query, schema }: Pick<Postgres, 'query' | 'schema'>): KeptUsesStore {
  return {
    async read(name) {
      const [row] = await query<KeptUses>(
        `SELECT name, limit_text AS "limit", cells, spare, version FROM ${schema}.kept_uses WHERE name = $1`,
        [name],
      )
      return row
    },
    async write({ name, limit, cells, spare, version }, seenVersion, epoch) {
      const isEpoch = `EXISTS (SELECT 1 FROM ${schema}.limiter_epoch WHERE epoch = $6)`
      const row = [name, limit, cells, spare, version, epoch]
      const written =
        seenVersion === 0
          ? await query(
              `INSERT INTO ${schema}.kept_uses (name, limit_text, cells, spare, version)
               SELECT $1::text, $2::text, $3::bytea, $4::bigint, $5::bigint WHERE ${isEpoch} ON CONFLICT DO NOTHING RETURNING version`,
              row,
            )
          : await query(
              `UPDATE ${schema}.kept_uses
               SET limit_text = $2, cells = $3, spare = $4, version = $5, updated_at = now()
               WHERE name = $1 AND version = $7 AND ${isEpoch} RETURNING version`,
              [...row, seenVersion],
            )
      return written.length > 0
    },
    async sweep() {
      const old = `SELECT name FROM ${schema}.kept_uses WHERE updated_at < now() - interval '62 days'
        LIMIT ${sweptMax} FOR UPDATE SKIP LOCKED`
      const swept = await query(`DELETE FROM ${schema}.kept_uses WHERE name IN (${old}) RETURNING name`)
      return swept.length
    },
  }
}
