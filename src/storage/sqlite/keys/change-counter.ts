import { Fault } from '../../../core/fault.ts'
import type { BelievedRows } from '../../keys/believed-rows.ts'
import { type ChangeState, type NextChange, numberFrom } from '../../keys/change-numbers.ts'
import { readValue, type SqliteDatabase } from '../database.ts'

/** Numbers the changes of keys and owners. The caller brings the transaction. */
export interface ChangeCounter {
  /** @throws Fault `store_unavailable` if it is not the one that was written */
  readonly read: () => ChangeState
  /**
   * Runs changes; each takes its number. What they took is written once.
   *
   * @throws Fault `store_unavailable`
   */
  readonly whileNumbering: <T>(work: (next: NextChange) => T) => T
  /** Goes on behind this number. */
  readonly raise: (latest: number) => void
}

interface StateRow {
  readonly latest: number
  readonly total: number
  readonly mac: Uint8Array | null
}

export function createChangeCounter(database: SqliteDatabase, rows: BelievedRows): ChangeCounter {
  const select = database.prepare<StateRow>('SELECT latest, total, mac FROM changes WHERE id = 1')
  const put = database.prepare('UPDATE changes SET latest = ?, total = ?, mac = ? WHERE id = 1')

  function read(): ChangeState {
    const row = select.get()
    if (row === undefined)
      throw new Fault('store_unavailable', 'modelward.db: its counter of changes is gone')
    const { latest, total, mac } = row
    rows.check('changes', 'counter', [latest, total], mac)
    return { latest, total }
  }

  function write({ latest, total }: ChangeState): void {
    put.run(latest, total, rows.macOf('changes', [latest, total]))
  }

  return {
    read,
    whileNumbering(work) {
      const before = read()
      const { next, after } = numberFrom(before)
      const result = work(next)
      if (after() !== before) write(after())
      return result
    },
    raise(latest) {
      const before = read()
      write({ latest: Math.max(before.latest, latest), total: before.total })
    },
  }
}

/** SQL: the sum of the numbers in all rows. Reads two indexes. */
const sumOfChanges =
  'SELECT coalesce((SELECT sum(change) FROM keys), 0) + coalesce((SELECT sum(change) FROM owners), 0)'

/** Whether every row is there, as it was last written. The caller brings the transaction. */
export function hasAllRows(database: SqliteDatabase, { total }: ChangeState): boolean {
  return readValue(database, sumOfChanges) === total
}
