import { Fault } from '../../../core/fault.ts'
import type { Scheduler } from '../../../core/scheduler.ts'
import type { Postgres } from '../postgres.ts'

/** How long a commit under way is waited for, in milliseconds. */
const waitMs = 500
const pauseMsMax = 50

/** Up to where no block comes any more. */
export interface SettledBlocks {
  /**
   * The last block with nothing to come before it.
   *
   * @throws Fault `ledger_unavailable`, by rejecting, also where a commit does not end
   */
  readonly find: (postgres: Postgres) => Promise<number>
}

/**
 * Blocks are numbered before they are committed, so that one may become visible before another of a
 * lower number. A reader that goes forward would never see that one. So it asks for the last block
 * that is visible, and then who is writing: a writer that has drawn a lower number held the table's
 * lock before that, and holds it until the commit is visible. Once all of these are gone, nothing
 * is missing.
 *
 * Transaction ids do not tell: a transaction may have drawn its id late and its number early. And
 * in a restored database the ids that were stored are of another history.
 */
export function createSettledBlocks(scheduler: Scheduler): SettledBlocks {
  let known = 0

  async function pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void scheduler.after(ms, resolve))
  }

  return {
    async find(postgres) {
      const { schema, query } = postgres
      const writers = `SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation = '${schema}.block'::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()`
      const [found] = await query<{ last: number; writers: readonly string[] }>(
        `SELECT coalesce((SELECT max(id) FROM ${schema}.block), 0) AS last, ARRAY(${writers}) AS writers`,
      )
      const { last, writers: before } = found ?? { last: 0, writers: [] }
      // A database that was put back numbers anew from where it was.
      if (last < known) known = 0
      if (last === known) return last
      let left = before
      let waited = 0
      for (let ms = 0; left.length > 0 && waited < waitMs; ms = Math.min(2 * ms + 1, pauseMsMax)) {
        if (ms > 0) await pause(ms)
        waited += ms
        const still = await query<{ writer: string }>(
          `SELECT virtualtransaction AS writer FROM (${writers}) w WHERE virtualtransaction = ANY($1::text[])`,
          [left],
        )
        left = still.map(({ writer }) => writer)
      }
      if (left.length === 0) {
        known = Math.max(known, last)
        return last
      }
      // What is behind waits for a commit that does not end.
      if (known > 0) return known
      throw new Fault('ledger_unavailable', 'ledger: a commit does not end, so that its order is not known')
    },
  }
}
