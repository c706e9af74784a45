import { Fault } from '../../../core/fault.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import type { Query } from '../postgres.ts'
import { believeCounter, type CounterRow } from './change-counter.ts'

/**
 * Reads that decide, believed only from the server that is written to. Behind one address may stand
 * a standby, or a server that was cut off: a key that it gives may have been revoked since.
 */
export interface PrimaryReads {
  /**
   * Joins rows, or the lack of them, to the counter of changes.
   *
   * @param columns of the rows that are sought; their table is `found`
   * @param join what gives them, such as `LEFT JOIN … AS found ON …`
   * @returns the rows; one of nulls where nothing was found
   * @throws Fault `store_unavailable` from a server that does not know what this process has seen
   */
  readonly readAll: <Row extends object>(
    columns: string,
    join: string,
    values: readonly unknown[],
  ) => Promise<readonly [Row, ...Row[]]>
  /** The same, of one row. */
  readonly read: <Row extends object>(
    columns: string,
    join: string,
    values: readonly unknown[],
  ) => Promise<Row>
  /**
   * Says how far the changes are that this process has seen.
   *
   * @param least what `seen` was when they were asked for
   * @throws Fault `store_unavailable` where they are less: keys would be as they were before
   */
  readonly note: (change: number, least: number) => void
  /** How far the changes are; 0 before any were read. */
  readonly seen: () => number
}

interface CounterCells {
  readonly is_behind: boolean
  readonly counter_number: CounterRow['number']
  readonly counter_total: CounterRow['total']
  readonly counter_mac: CounterRow['mac']
}

/** @param ensureWhole throws where rows are known to be missing or of before */
export function createPrimaryReads(
  query: Query,
  schema: string,
  name: string,
  rows: BelievedRows,
  ensureWhole: () => void,
): PrimaryReads {
  let seen = 0
  async function readAll<Row extends object>(
    columns: string,
    join: string,
    values: readonly unknown[],
  ): Promise<readonly [Row, ...Row[]]> {
    // What is seen while the statement runs may be newer than its moment.
    const least = seen
    ensureWhole()
    const [row, ...others] = await query<Row & CounterCells>(
      `SELECT counter.number AS counter_number, counter.total AS counter_total, counter.mac AS counter_mac,
          pg_is_in_recovery() OR counter.number < $1 AS is_behind, ${columns}
        FROM ${schema}.changes AS counter ${join} WHERE counter.id = 1`,
      [least, ...values],
    )
    if (row === undefined) throw new Fault('store_unavailable', `${name}: its counter of changes is gone`)
    // One that is forged would not tell that it was set back.
    believeCounter(rows, { number: row.counter_number, total: row.counter_total, mac: row.counter_mac })
    if (row.is_behind)
      throw new Fault('store_unavailable', `${name}: the server is a standby, or behind what it was`)
    return [row, ...others]
  }

  return {
    readAll,
    read: async <Row extends object>(columns: string, join: string, values: readonly unknown[]) =>
      (await readAll<Row>(columns, join, values))[0],
    note(change, least) {
      ensureWhole()
      if (change < least)
        throw new Fault(
          'store_unavailable',
          `${name}: changes of keys were set back from ${least} to ${change}; if a backup was restored, start the nodes again`,
        )
      seen = Math.max(seen, change)
    },
    seen: () => seen,
  }
}
