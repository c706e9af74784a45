import { Fault } from '../../../core/fault.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import { type ChangeState, type NextChange, numberFrom } from '../../keys/change-numbers.ts'
import type { Query } from '../postgres.ts'

/** Milliseconds after which the server gives up a change whose process says no more. */
const silenceMs = 2_000

/** Numbers the changes of keys and owners in the order of their commits. */
export interface ChangeCounter {
  /**
   * Runs changes in a transaction that is READ COMMITTED, and tells every node. From its first
   * statement to its commit no other change is under way, on any node: so a reader that has seen a
   * number has seen all before it.
   *
   * @throws Fault `store_unavailable`, also if the counter is not the one that was written
   */
  readonly whileNumbering: <Result>(
    query: Query,
    work: (next: NextChange) => Promise<Result>,
  ) => Promise<Result>
}

/** The counter's row. */
export interface CounterRow {
  readonly number: number
  readonly total: number
  readonly mac: Uint8Array
}

/** @throws Fault `store_unavailable` if it is not the one that was written */
export function believeCounter(rows: BelievedRows, row: CounterRow | undefined): ChangeState {
  if (row === undefined) throw new Fault('store_unavailable', 'the counter of changes is gone')
  rows.check('changes', 'counter', [row.number, row.total], row.mac)
  return { latest: row.number, total: row.total }
}

export function createChangeCounter(schema: string, rows: BelievedRows, channel: string): ChangeCounter {
  // A process that is frozen here must not keep all others from revoking, and what was answered is
  // durable whatever the role's settings are.
  const lock = `SELECT number, total, mac,
      set_config('idle_in_transaction_session_timeout', '${silenceMs}', true),
      CASE WHEN current_setting('synchronous_commit') = 'off'
        THEN set_config('synchronous_commit', 'on', true) END
    FROM ${schema}.changes WHERE id = 1 FOR UPDATE`
  const write = `WITH written AS (
      UPDATE ${schema}.changes SET number = $1, total = $2, mac = $3 WHERE id = 1 RETURNING number
    ) SELECT pg_notify($4, number::text) FROM written`

  async function lockState(query: Query): Promise<ChangeState> {
    const [row] = await query<CounterRow>(lock)
    return believeCounter(rows, row)
  }

  async function writeState(query: Query, { latest, total }: ChangeState): Promise<void> {
    await query(write, [latest, total, rows.macOf('changes', [latest, total]), channel])
  }

  return {
    async whileNumbering(query, work) {
      const before = await lockState(query)
      const { next, after } = numberFrom(before)
      const result = await work(next)
      if (after() !== before) await writeState(query, after())
      return result
    },
  }
}
