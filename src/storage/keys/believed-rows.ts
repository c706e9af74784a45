import { Fault } from '../../core/fault.ts'
import type { Cell, RowMacs } from '../../secrets/row-macs.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'

/** Tables whose rows have a MAC. */
export type BelievedTable = 'key' | 'owner' | 'answer' | 'changes'

/** What is reported as damaged; the digest of an imported key has no MAC of its own. */
type ReportedTable = BelievedTable | 'digest'

/** Rows as they are believed: each has a MAC, and one that does not fit it is an outage. */
export interface BelievedRows {
  readonly macOf: (table: BelievedTable, cells: readonly Cell[]) => Uint8Array
  /**
   * @param name of the row, for people: a key's id
   * @throws Fault `store_unavailable` for a row that this deployment did not write as it stands
   */
  readonly check: (table: BelievedTable, name: string, cells: readonly Cell[], mac: Uint8Array | null) => void
  /**
   * Reports a row that one index has and another has not.
   *
   * @param what else is wrong with it
   * @throws Fault `store_unavailable`
   */
  readonly reportLost: (table: ReportedTable, name: string, what?: string) => never
  /** Says that a row without a MAC was found in order. */
  readonly confirm: (table: ReportedTable, name: string) => void
  /** Whether a row was found that is not believed, and has not been found in order since. */
  readonly hasDamage: () => boolean
}

/** Rows that are remembered, so that each is reported once. */
const reportedMax = 1_000

/** @param where the rows are, for people. @default 'modelward.db' */
export function createBelievedRows(
  macs: RowMacs,
  telemetry: Telemetry,
  where = 'modelward.db',
): BelievedRows {
  const damaged = new Set<string>()

  function report(table: ReportedTable, name: string, what: string): never {
    const row = `${table} ${name}`
    const fault = new Fault('store_unavailable', `${where}: the row of ${row} ${what}`)
    if (!damaged.has(row) && damaged.size < reportedMax) {
      damaged.add(row)
      telemetry.event('keys.row_damaged', { row }, fault)
    }
    throw fault
  }

  function confirm(table: ReportedTable, name: string): void {
    if (damaged.size > 0) damaged.delete(`${table} ${name}`)
  }

  return {
    macOf: macs.of,
    check(table, name, cells, mac) {
      if (!macs.isOf(table, cells, mac)) report(table, name, 'is not the one that was written')
      confirm(table, name)
    },
    reportLost: (table, name, what = 'does not fit its index') => report(table, name, what),
    confirm,
    hasDamage: () => damaged.size > 0,
  }
}
