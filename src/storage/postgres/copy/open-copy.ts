import { SetupError } from '../../../core/setup-error.ts'
import { ownSettings } from '../../copy/copied-tables.ts'
import type { Postgres } from '../postgres.ts'

/** Writes as long as the copy has not ended: from then on the rows are those of nodes. */
export interface OpenCopy {
  /**
   * @param statement that reads from `open_copy`, which has one row, or none once it has ended, and
   *   that gives rows: the server skips a SELECT that no other reads
   * @throws SetupError `database_unsuitable` where another run of the copy has ended it; nothing is
   *   written then
   */
  readonly write: (statement: string, values: readonly unknown[]) => Promise<void>
}

export function createOpenCopy({ query, schema, name }: Postgres): OpenCopy {
  // The lock keeps another run from ending the copy under a statement that has begun.
  const open = `open_copy AS (SELECT 1 FROM ${schema}.settings WHERE name = '${ownSettings.target}'
    AND (value::json ->> 'ended') IS NULL FOR SHARE)`
  return {
    async write(statement, values) {
      const [found] = await query<{ readonly runs: number }>(
        `WITH ${open}, written AS (${statement}) SELECT count(*) AS runs, (SELECT count(*) FROM written) AS rows
          FROM open_copy`,
        values,
      )
      if (found?.runs === 1) return
      throw new SetupError(
        'database_unsuitable',
        `${name}: another run of this copy has ended, and nodes may have begun; run modelward copy again`,
      )
    },
  }
}
