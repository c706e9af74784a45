import type { EpochStore, LimiterEpoch } from '../../../limits/epoch-store.ts'
import type { Postgres } from '../postgres.ts'

/** Stands where a run of Redis does, for an epoch that none may go on with. */
export const noRun = 'none'

/** Which epoch the limiter is in: one row, or none before the first. */
export function createEpochTable({ query, schema }: Pick<Postgres, 'query' | 'schema'>): EpochStore {
  return {
    async read() {
      const [row] = await query<LimiterEpoch>(
        `SELECT epoch, run_id AS "runId", began_at AS "beganAt" FROM ${schema}.limiter_epoch`,
      )
      return row
    },
    async replace(seen, { epoch, runId, beganAt }) {
      const replaced =
        seen === undefined
          ? await query(
              `INSERT INTO ${schema}.limiter_epoch (id, epoch, run_id, began_at) VALUES (1, $1, $2, $3)
               ON CONFLICT DO NOTHING RETURNING id`,
              [epoch, runId, beganAt],
            )
          : await query(
              `UPDATE ${schema}.limiter_epoch SET epoch = $1, run_id = $2, began_at = $3
               WHERE id = 1 AND epoch = $4 RETURNING id`,
              [epoch, runId, beganAt, seen],
            )
      return replaced.length > 0
    },
  }
}
